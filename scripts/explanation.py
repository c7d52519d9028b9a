"""An explanation to be read: what was answered, why, and of what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import msgspec
from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from models.durations import written
from producer.printing import plain
from scripts.showcase import STYLES
from stream_agents.explained import ExplainedFeature, Explanation


def rendered(explanation: Explanation, *, every: bool) -> Iterator[RenderableType]:
    """Panels and tables, the verdict first.

    Args:
        every: Show the features that are as usual too.
    """
    yield verdict(explanation)
    if explanation.event.fields is not None:
        yield event(explanation)
    if explanation.rules:
        rules = [(r.name, r.severity or "", r.text, r.reference) for r in explanation.rules]
        yield table("rules that fired", ("rule", "severity", "found", "reference"), rules)
    if explanation.features:
        yield features(explanation, every=every)
    if explanation.score.contributions:
        yield contributions(explanation)


def verdict(explanation: Explanation) -> Panel:
    answer = explanation.answer
    said = answer.action or answer.outcome
    lasting = f" for {written(timedelta(seconds=answer.ttl_s))}" if answer.ttl_s else ""
    title = Text(f"{said.upper()}{lasting}", style=f"bold {STYLES.get(said, 'white')}")
    rows = Table.grid(padding=(0, 2))
    for name, text in facts(explanation):
        rows.add_row(Text(name, style="bold"), Text(plain(text)))
    return Panel(rows, title=title, title_align="left")


def facts(explanation: Explanation) -> Iterator[tuple[str, str]]:
    """What is said about a decision as a whole, by what it is about."""
    answer, score = explanation.answer, explanation.score
    yield "event", f"{explanation.event_id} of {explanation.entity}, {explanation.occurred_at}"
    if explanation.event.missing:
        yield "", f"not to be had: {explanation.event.missing}"
    if answer.duplicate_of:
        yield "why", f"an event of this id was answered before: {answer.duplicate_of}"
    if answer.error:
        yield "why", answer.error
    if answer.degraded:
        yield "degraded", answer.degraded
    for found in explanation.lists:
        yield "list" if found.code.startswith("on_") else "in force", found.text
    if explanation.rules:
        earns = f", which earns {explanation.rules_earn}" if explanation.rules_earn else ""
        yield "rules", f"{', '.join(rule.name for rule in explanation.rules)}{earns}"
    if score.value is not None:
        yield "score", f"{score.value:g}{against(explanation)}"
    for reason in explanation.reasons:
        yield "unusual", reason.text
    if answer.model:
        yield "judged by", f"model {answer.model}, policy {answer.policy}"
    yield "told from", sources(explanation)
    for note in explanation.notes:
        yield "note", note


def against(explanation: Explanation) -> str:
    """`, which earns allow (alert from 0.97, challenge from 0.99)`."""
    score = explanation.score
    if score.thresholds is None:
        return ""
    steps = ", ".join(f"{action} from {least:g}" for action, least in score.thresholds.items())
    return f", which earns {score.earns} ({steps})"


def sources(explanation: Explanation) -> str:
    given = {
        "kept": "the answer as it was kept",
        "actions": f"the answer on actions.{explanation.pack}",
        "now": "what judges now",
    }[explanation.answer.origin]
    place = f"; the event is {explanation.event.place} of events.{explanation.pack}"
    again = ""
    if explanation.derived_from:
        events = f"{explanation.derived_from:,} of {explanation.entity}'s events"
        again = f"; the features are derived again from {events}"
    return f"{given}{place if explanation.event.place else ''}{again}"


def event(explanation: Explanation) -> Panel:
    rows = Table.grid(padding=(0, 2))
    for name, value in (explanation.event.fields or {}).items():
        told = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        rows.add_row(Text(plain(name), style="bold"), Text(plain(told)))
    if traits := explanation.event.traits:
        told = ", ".join(f"{name} {number(value)}" for name, value in traits.items())
        rows.add_row(Text("in numbers", style="bold"), Text(told))
    return Panel(rows, title="the event", title_align="left")


def features(explanation: Explanation, *, every: bool) -> Table:
    told = [one for one in explanation.features if every or stands_out(one, explanation)]
    left = len(explanation.features) - len(told)
    rows = [
        (one.name, number(one.value), number(one.median), number(one.p99), one.after)
        for one in told
    ]
    columns = ("feature", "value", "usual", "99 % are within", "over events after")
    caption = f"{left} more are unknown or within the usual: --all shows them" if left else ""
    return table(f"features at {explanation.features[0].until}", columns, rows, caption)


def stands_out(feature: ExplainedFeature, explanation: Explanation) -> bool:
    """Above the 99th percentile, among what raises the score, or quoted by a reason."""
    if feature.value is None:
        return False
    named = {one.feature for one in explanation.score.contributions}
    quoted = any(f": {feature.text}: " in f": {rule.text}" for rule in explanation.rules)
    above = feature.p99 is not None and feature.value > feature.p99
    return above or feature.name in named or quoted


def contributions(explanation: Explanation) -> Table:
    rows = [
        (one.feature, number(one.value), number(one.usual), f"{one.score:.3f}", f"{one.raw:.4f}")
        for one in explanation.score.contributions
    ]
    columns = ("feature", "value", "usual", "score falls by", "before calibration")
    caption = "if that one feature were as usual; they need not add up"
    return table("what raises the score", columns, rows, caption)


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str = ""
) -> Table:
    made = Table(
        *columns, title=title, caption=caption, title_justify="left", caption_justify="left"
    )
    for row in rows:
        made.add_row(*(Text(plain(cell)) for cell in row))
    return made


def number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.6g}"
