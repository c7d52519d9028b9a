"""Logs: one JSON object a line on standard output, from our code and from the libraries'.

JSON escapes what a client sends, so a line break in it cannot forge a line.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

import msgspec
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor

from models.contracts import Action, Outcome
from producer.records import Record
from stream_agents.stage import Folded

log = structlog.get_logger(__name__)

ENDS = {outcome.value: b'"outcome":"%s"' % outcome.value.encode() for outcome in Outcome} | {
    action.name.lower(): b'"action":"%s"' % action.name.lower().encode() for action in Action
}
"""How each outcome and action stands in a line; inside of a JSON string the quotes are escaped."""

REPEATED_S = 30.0
"""A library's words are told again only after this time."""

REMEMBERED = 256

STEERING = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What JSON need not escape, and terminals obey or readers of lines break at."""

QUIET = {"faust": logging.WARNING, "aiokafka": logging.WARNING, "mode": logging.WARNING}


def configure(process: str, level: str = "INFO", to: TextIO | None = None) -> None:
    """Set up logging; called once, as a process starts.

    Args:
        process: Stands in every line: `api`, `ingestion`, ...
        level: Of our own lines. Chatty libraries are kept to warnings.
        to: Standard output if None.
    """
    to = to or sys.stdout
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper("iso", utc=True),
        named(process),
    ]
    render: list[Processor] = [
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
        structlog.processors.JSONRenderer(serializer=as_json),
    ]
    structlog.configure(
        processors=[*common, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(to),
        cache_logger_on_first_use=True,
    )
    _adopt_standard_logging(common, render, level, to)


def named(process: str) -> Processor:
    def add(_: Any, __: str, event: EventDict) -> EventDict:
        event["process"] = process
        return event

    return add


def as_json(event: Any, **_: Any) -> str:
    encoded = msgspec.json.encode(event, enc_hook=repr).decode()
    return STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", encoded)


def _adopt_standard_logging(
    common: list[Processor], render: list[Processor], level: str, to: TextIO
) -> None:
    handler = logging.StreamHandler(to)
    handler.addFilter(Repeated())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*common, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(True)
    for library, least in QUIET.items():
        logging.getLogger(library).setLevel(least)


class Repeated(logging.Filter):
    """Holds back what was just said: librdkafka tells each of its attempts to connect."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        words = record.getMessage()
        if record.created - self._told.get(words, -REPEATED_S) < REPEATED_S:
            return False
        if len(self._told) >= REMEMBERED:
            self._told.clear()
        self._told[words] = record.created
        return True


def tell(records: Sequence[Record], folded: Folded) -> None:
    """One line for each record that somebody follows: what came of it, and how long it took.

    The time is from the record's arrival in Kafka, so it holds the wait for the take; where clocks
    disagree it is never negative.
    """
    followed = {(r.partition, b"%d" % r.offset): r for r in records if r.header("trace")}
    if not followed:
        return
    now_ms = time.time_ns() // 1_000_000
    for out in folded.records:
        named = dict(out.headers)
        record = followed.get((out.partition, named.get("source-offset", b"")))
        if record is not None and "trace" in named:
            log.info(
                "folded",
                topic=out.topic,
                trace=named["trace"].decode(errors="replace"),
                batch=named.get("batch", b"").decode(errors="replace"),
                partition=record.partition,
                offset=record.offset,
                result={
                    word: out.value.count(end) for word, end in ENDS.items() if end in out.value
                },
                latency_ms=max(0, now_ms - record.at_ms),
            )
