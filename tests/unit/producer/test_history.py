"""What has arrived: of log files by their lines, of a topic by its records."""

from __future__ import annotations

from pathlib import Path

import msgspec

from models.packs.access import PACK
from models.packs.access.data import combined_line
from models.packs.access.events import AccessEvent
from producer.history import of_files, of_topic
from stream_agents.memory import MemoryBroker, MemoryRetained

NOW_MS = 1_767_225_600_000
NOW = "2026-01-01T00:00:00Z"


def events(count: int) -> list[AccessEvent]:
    return [event for event, _ in PACK.simulate(7, count)]


def log(folder: Path, name: str, lines: list[str]) -> str:
    (folder / name).write_text("".join(f"{line}\n" for line in lines))
    return str(folder / name)


def retained(*values: bytes) -> MemoryRetained:
    """A topic of two partitions that hold these records in turn."""
    broker = MemoryBroker(lambda: NOW_MS)
    broker.create("events.access", 2)
    for i, value in enumerate(values):
        broker.produce("events.access", i % 2, value)
    return MemoryRetained(broker, "events.access")


def line(**fields: object) -> bytes:
    known = {"occurred_at": NOW, "client_ip": "a", "method": "GET", "path": "/", "status": 200}
    return msgspec.json.encode(known | fields)


def test_arrivals_of_a_log_know_their_lines_and_unreadable_ones_are_counted(tmp_path: Path) -> None:
    first, second = map(combined_line, events(2))
    history = of_files([log(tmp_path, "site.log", [first, "nonsense", "", second])])

    assert [arrival.line for arrival in history.arrivals] == [1, 4]
    assert (history.name, history.unreadable) == ("site.log", 1)


def test_several_logs_follow_one_another_without_lines(tmp_path: Path) -> None:
    first, second = map(combined_line, events(2))
    paths = [log(tmp_path, "a.log", [first]), log(tmp_path, "b.log", [second])]
    history = of_files(paths)

    assert [arrival.line for arrival in history.arrivals] == [0, 0]
    assert history.name == "a.log, b.log"


def test_arrivals_of_a_topic_are_in_offset_order_with_the_pipelines_own_ids() -> None:
    records = (line(path="/1") + b"\n" + line(path="/2", event_id="x"), line(path="/3"), line())
    history = of_topic(retained(*records), PACK)

    assert [arrival.event.event_id for arrival in history.arrivals] == [
        "0-0-0",
        "x",
        "0-1-0",
        "1-0-0",
    ]
    assert (history.name, history.unreadable) == ("topic events.access", 0)


def test_what_the_pipeline_does_not_judge_is_counted_and_left_out() -> None:
    future = line(occurred_at="2026-01-01T00:05:00.001Z")
    just = line(occurred_at="2026-01-01T00:05:00Z")
    history = of_topic(retained(b"\n".join([b"{", future, just, line(status="x")])), PACK)

    assert [arrival.event.occurred_at for arrival in history.arrivals] == ["2026-01-01T00:05:00Z"]
    assert history.unreadable == 3


def test_an_empty_topic_holds_nothing() -> None:
    assert of_topic(retained(), PACK).arrivals == []
