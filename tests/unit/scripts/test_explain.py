"""`centinela explain`: what it asks of the API, and what it shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from api.decisions_openapi import EXPLANATION
from models.contracts import Reason
from producer.printing import plain
from scripts.explanation import rendered
from stream_agents.explained import Explanation
from tests.unit.scripts.test_cli import Run, answering

EXPLAINED = msgspec.convert(EXPLANATION, Explanation)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.setenv("CENTINELA_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "140")
    return Run(monkeypatch, capsys)


def shown(explanation: Explanation, *, every: bool = False) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        for part in rendered(explanation, every=every):
            console.print(part)
    return captured.get()


def words(text: str) -> list[str]:
    """The text of each line, without its borders."""
    return [" ".join(line.strip("│┃ ").replace("│", " ").split()) for line in text.splitlines()]


def changed(**parts: Any) -> Explanation:
    """The example with other fields; those of `answer`, `event` and `score` one by one."""
    for name in ("answer", "event", "score"):
        if name in parts:
            parts[name] = msgspec.structs.replace(getattr(EXPLAINED, name), **parts[name])
    return msgspec.structs.replace(EXPLAINED, **parts)


def with_features(*told: tuple[str, float | None, float | None]) -> Explanation:
    """Features by their names, with value and 99th percentile."""
    [one] = EXPLAINED.features
    made = [
        msgspec.structs.replace(one, name=name, text=name, value=value, p99=p99)
        for name, value, p99 in told
    ]
    return changed(features=tuple(made))


def test_the_api_is_asked_and_its_answer_printed_as_json(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(200, json.dumps(EXPLANATION).encode()) as port:
        monkeypatch.setenv("CENTINELA_API_PORT", str(port))

        code, told, said = run("explain", "web-1", "-o", "json")

    assert (code, said) == (0, "")
    assert json.loads(told) == EXPLANATION


def test_the_verdict_comes_first_and_in_words() -> None:
    lines = words(shown(EXPLAINED))

    assert lines[0].startswith("╭─ BLOCK for 4h")
    assert lines[1] == "event web-1-000042 of 203.0.113.7, 2026-11-21T03:00:00.000Z"
    assert lines[2] == "rules sql_injection, which earns block"
    assert lines[3] == "score 0.778241, which earns allow (alert from 0.97, challenge from 0.99)"
    assert lines[4] == "judged by model access-e1ba59d36513, policy access-1"
    assert lines[5] == (
        "told from the answer as it was kept; the event is 2-1207-0 of events.access"
    )


def test_rules_contributions_and_the_event_are_shown() -> None:
    lines = words(shown(EXPLAINED))

    assert ("sql_injection high the request carries a piece of SQL CWE-89, CAPEC-66") in lines
    assert "path_bytes 64 15 0.098 0.0251" in lines
    assert "bytes 5120" in lines
    assert "user_agent Mozilla/5.0" in lines


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ({"lists": (Reason("on_deny_list", "on the deny list: 10.0.0.0/8"),)}, "list on the deny"),
        ({"lists": (Reason("block_in_force", "block in force"),)}, "in force block in force"),
        ({"reasons": (Reason("a", "requests: 9, usual 1"),)}, "unusual requests: 9, usual 1"),
        ({"notes": ("judged by another",)}, "note judged by another"),
        ({"event": {"fields": None, "missing": "gone"}}, "not to be had: gone"),
        ({"score": {"thresholds": None}}, "score 0.778241"),
        ({"answer": {"outcome": "late", "action": None, "error": "too old"}}, "why too old"),
        (
            {"answer": {"outcome": "duplicate", "action": None, "duplicate_of": "web-1"}},
            "why an event of this id was answered before: web-1",
        ),
        (
            {"answer": {"origin": "actions"}, "derived_from": 1_200},
            "told from the answer on actions.access; the event is 2-1207-0 of events.access;"
            " the features are derived again from 1,200 of 203.0.113.7's events",
        ),
    ],
)
def test_what_there_is_to_say_is_said(parts: dict[str, Any], line: str) -> None:
    assert any(told.startswith(line) for told in words(shown(changed(**parts))))


@pytest.mark.parametrize("outcome", ["late", "dead", "duplicate"])
def test_what_was_not_decided_is_named_by_its_outcome(outcome: str) -> None:
    told = changed(answer={"outcome": outcome, "action": None, "ttl_s": None})

    assert words(shown(told))[0].startswith(f"╭─ {outcome.upper()} ─")


def names(lines: Sequence[str]) -> set[str]:
    return {line.split()[0] for line in lines if line.startswith(("at", "above", "below", "not"))}


def test_only_features_that_stand_out_are_shown_unless_all_are_wanted() -> None:
    told = with_features(
        ("at_p99", 200.0, 200.0),
        ("above_p99", 200.1, 200.0),
        ("below_p99", 3.0, 200.0),
        ("not_known", None, 200.0),
        ("not_learnt", 3.0, None),
    )

    assert names(words(shown(told))) == {"above_p99"}
    assert "4 more are unknown or within the usual: --all shows them" in words(shown(told))
    assert names(words(shown(told, every=True))) == {
        *("at_p99", "above_p99", "below_p99", "not_known", "not_learnt")
    }


def test_features_that_a_rule_quotes_or_that_raise_the_score_stand_out() -> None:
    told = with_features(("path_bytes", 1.0, 9.0), ("logins", 1.0, 9.0), ("bytes", 1.0, 9.0))
    [rule] = EXPLAINED.rules
    quoting = msgspec.structs.replace(rule, text="tries: logins: 1, usual 0")
    lines = words(shown(msgspec.structs.replace(told, rules=(quoting,))))

    assert [line.split()[0] for line in lines if line.endswith("2026-11-21T02:59:00.000Z")] == [
        "path_bytes",
        "logins",
    ]


def test_what_a_client_sent_steers_no_terminal() -> None:
    hostile = "\x1b]0;owned\x07 [red]x[/red] \x9b31m \u202e é"
    fields = {hostile: hostile, "n": 1}
    text = shown(changed(entity=hostile, event={"fields": fields}, notes=(hostile,)))

    assert not any(c in text for c in "\x1b\x07\x9b\u202e")
    assert r"\x1b]0;owned\x07 [red]x[/red] \x9b31m \u202e é" in text


@pytest.mark.parametrize("text", ["", "plain", "é ü 🙂", "[bold]"])
def test_printable_text_is_left_as_it_is(text: str) -> None:
    assert plain(text) == text


def test_another_refusal_of_the_api_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = {"type": "/problems/unknown-pack", "detail": "there is no such pack"}
    with answering(404, json.dumps(problem).encode()) as port:
        monkeypatch.setenv("CENTINELA_API_PORT", str(port))

        code, _, said = run("explain", "a/b", "--pack", "nothing")

    assert code == 2
    assert said.endswith("/v1/decisions/a%2Fb?pack=nothing: 404, there is no such pack\n")


@pytest.mark.parametrize("since", ["yesterday", "", "-1h", "0s"])
def test_how_far_to_look_back_must_be_a_duration(run: Run, since: str) -> None:
    code, _, said = run("explain", "a", f"--since={since}")

    assert code == 2
    assert said.startswith("centinela: --since must be a duration such as 90s")
    assert said.count("\n") == 1


@pytest.mark.timeout(60)
def test_without_api_and_kafka_it_ends_in_one_line_for_each(
    run: Run, monkeypatch: pytest.MonkeyPatch, unused_tcp_port_factory: Any
) -> None:
    monkeypatch.setenv("CENTINELA_API_PORT", str(unused_tcp_port_factory()))

    code, told, said = run("explain", "a", "--kafka", f"127.0.0.1:{unused_tcp_port_factory()}")

    api, kafka = said.splitlines()
    assert (code, told) == (3, "")
    assert api.endswith("is `make up` running? Looking in the log.")
    assert kafka.startswith("centinela: Kafka at 127.0.0.1:")
