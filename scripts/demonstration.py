"""What `demo` shows: the pipeline in this process, a simulated day sent to it, what it found."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

import msgspec
from rich.text import Text

from api.embedded import Serving, warm
from api.settings import ApiSettings
from models.artifacts import champion_of
from models.catalog import pack_named
from models.contracts import ActionTaken
from models.errors import Unavailable
from producer.printing import tell, tell_json
from producer.records import actions_topic
from producer.settings import Connections
from scripts import door
from scripts.demo import Wish
from scripts.findings import MOST_REASONS, Finding, Found, findings_table, told_apart
from scripts.output import console, plain
from scripts.showcase import ATTACKS, STYLES
from scripts.stack.settings import CannotStart, LocalStack
from scripts.steps import Steps
from scripts.traffic import Day, Live, day_until
from stream_agents import journal
from stream_agents.embedded import EmbeddedPipeline
from stream_agents.memory import MemoryLog

AT_ONCE = 1_000
ANSWER_WITHIN_S = 30.0
TICK_S = 0.25
ACCEPTED = 202
DEFAULT_PORT = "8080"

COMPILING = "the kernels are being compiled, once on this machine: about a minute"

APART = """\
{attackers_found} of {attackers} attackers in it were found; of {others} other clients, \
{others_found} met more than allow"""

NEXT = """\
Open
  {api}/docs     the API, to try in the browser
  {api}/metrics  its metrics
Try next, in another terminal
  curl -s {api}/analyze -H 'Content-Type: text/plain' -d '{line}'
  {centinela} explain {event_id}
  {centinela} features show {pack} {client}
  {centinela} decisions list -n 10
  {centinela} lists {pack} add --allow {client}
{goes_on}It all runs in this process and keeps nothing; on Kafka: make up, with Maven or Docker"""

GOES_ON = """\
Simulated clients go on coming, about {rate:g} requests a second; Ctrl-C ends it
"""


def show(settings: LocalStack, wish: Wish, steps: Steps, began: float) -> None:
    """Send a day through the pipeline, tell what it found, and stay until a stop signal.

    Args:
        began: Unix time from which `first detection after` counts.

    Raises:
        KeyboardInterrupt: At a stop signal; nothing runs any more.
    """
    # Standard output is for what was found; beside it only warnings are told.
    journal.configure("demo", "WARNING", sys.stderr)
    with steps.step("the kernels are there", if_slow=COMPILING):
        pipeline = ready_pipeline()
    door_settings = ApiSettings()
    with ExitStack() as stack:
        with steps.step("both agents and the API run, in this process"):
            serving = stack.enter_context(Serving(door_settings, pipeline))
        at_once = min(AT_ONCE, door_settings.max_events)
        shown = Demo(settings.api, pipeline, serving, wish, steps, at_once)
        shown.day(began)
        if not wish.once:
            shown.stay()


def ready_pipeline() -> EmbeddedPipeline:
    connections = Connections()
    pack = pack_named(connections.pack)
    champion = champion_of(pack.name, ApiSettings().champion)
    pipeline = EmbeddedPipeline(pack, champion, connections.partitions)
    warm(pipeline)
    return pipeline


@dataclass(frozen=True, slots=True)
class Demo:
    """Traffic for a pipeline that runs, sent as a caller would, and what came of it.

    Args:
        at_once: Events of a batch, at most.
    """

    api: str
    pipeline: EmbeddedPipeline
    serving: Serving
    wish: Wish
    steps: Steps
    at_once: int

    def day(self, began: float) -> None:
        """A simulated day at once."""
        day = self._simulated()
        with self.steps.step(f"and judged by POST /analyze, {self.at_once:,} at a time"):
            found = self._judged(day.events)
        detected_after_s = time.time() - began
        findings = found.findings()
        apart = told_apart(findings, day.attackers, day.others)
        if self.wish.as_json:
            told = {**found.ledger.totals(), **apart, "first_detection_s": detected_after_s}
            tell_json({"api": self.api, **told, "found": findings})
        else:
            tell(f"          {found.ledger}")
            console().print(findings_table(findings))
            tell(APART.format(**apart))
            tell(f"first detection after {detected_after_s:.1f} s")
        if not findings:
            raise CannotStart("nobody in the simulated day was found: is another model set?")
        self.steps.say(self._next(findings[0]))

    def stay(self) -> NoReturn:
        """Clients go on coming until a stop signal."""
        now_us = time.time_ns() // 1_000
        live = Live(self.pipeline.pack, self.wish.seed + 1, self.wish.rate, now_us)
        watch = Watch(self.pipeline) if self.wish.watch else None
        while True:
            self.serving.check()
            self._judged(live.until(time.time_ns() // 1_000))
            for taken in watch.strict() if watch else ():
                self._tell(taken)
            time.sleep(TICK_S)

    def _tell(self, taken: ActionTaken) -> None:
        if self.wish.as_json:
            tell_json(taken)
        else:
            console().print(as_line(taken), soft_wrap=True)

    def _simulated(self) -> Day:
        pack, wish = self.pipeline.pack, self.wish
        with self.steps.step(f"a day of {wish.events:,} requests is simulated, seed {wish.seed}"):
            return day_until(pack, wish.seed, wish.events, time.time_ns() // 1_000)

    def _judged(self, events: Sequence[Any]) -> Found:
        found = Found()
        for start in range(0, len(events), self.at_once):
            batch = events[start : start + self.at_once]
            found.add(len(batch), self._analyzed(batch))
        return found

    def _analyzed(self, events: Sequence[Any]) -> dict[str, Any]:
        """What `/analyze` says about events; a 202 is asked for again until the answer is there."""
        reply = door.send("POST", f"{self.api}/analyze", {"events": msgspec.to_builtins(events)})
        deadline = time.monotonic() + ANSWER_WITHIN_S
        while reply.status == ACCEPTED:
            if time.monotonic() > deadline:
                raise Unavailable(f"/analyze had no answer within {ANSWER_WITHIN_S:.0f} s")
            self.serving.check()
            time.sleep(TICK_S)
            reply = door.get(f"{self.api}{reply.location}")
        return dict(reply.body)

    def _next(self, finding: Finding) -> str:
        wish = self.wish
        goes_on = GOES_ON.format(rate=wish.rate) if wish.rate and not wish.once else ""
        return NEXT.format(
            api=self.api,
            line=ATTACKS[-1].logged(datetime.now(UTC)),
            centinela=command(self.api),
            pack=self.pipeline.pack.name,
            event_id=finding.event_id,
            client=finding.client,
            goes_on=goes_on,
        )


class Watch:
    """What is put onto `actions.<pack>` from now on, whoever has asked."""

    def __init__(self, pipeline: EmbeddedPipeline) -> None:
        topic = actions_topic(pipeline.pack.name)
        self._log = MemoryLog(pipeline.broker, topic)
        self._log.assign(pipeline.broker.ends(topic))
        self._decoder = msgspec.json.Decoder(ActionTaken)

    def strict(self) -> Iterator[ActionTaken]:
        """The answers other than allow that were not told yet."""
        for record in self._log.take():
            for taken in self._decoder.decode_lines(record.value):
                if taken.action not in (None, "allow"):
                    yield taken


def as_line(taken: ActionTaken) -> Text:
    action = taken.action or ""
    reasons = "; ".join(reason.text for reason in taken.reasons[:MOST_REASONS])
    line = Text(f"{taken.occurred_at[11:19]}  ")
    line.append(f"{action:9}", style=STYLES[action])
    return line.append(f"  {plain(taken.entity):15}  {plain(reasons)}")


def command(api: str) -> str:
    """How the command line is called here, so that it asks this API."""
    program = "centinela" if shutil.which("centinela") else ".venv/bin/centinela"
    port = api.rpartition(":")[2]
    return program if port == DEFAULT_PORT else f"CENTINELA_API_PORT={port} {program}"
