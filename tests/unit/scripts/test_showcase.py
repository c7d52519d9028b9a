"""What `up` shows: the sample log, the batch and the table."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from producer.formats import parse_access_line
from scripts import sample, showcase

NOW = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)


def shown(results: list[dict[str, object]]) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(showcase.answer_table(results))
    return captured.get()


def test_every_line_of_the_batch_is_a_readable_request_of_now() -> None:
    events = [parse_access_line(line) for line in showcase.batch_text(NOW).splitlines()]

    assert len(events) == len(showcase.BATCH)
    assert {datetime.fromisoformat(event.occurred_at) for event in events} == {NOW}


def test_alike_answers_are_one_row_and_a_change_of_action_starts_another() -> None:
    allowed = {"outcome": "decided", "action": "allow", "score": 0.1, "reasons": []}
    blocked = {
        "outcome": "decided",
        "action": "block",
        "score": 0.97,
        "reasons": [{"code": "login_failures", "text": "failed logins in 1 min: 40, usual 0"}],
    }
    quiet = len(showcase.BATCH) - 30

    table = shown([allowed] * quiet + [blocked] * 30)

    assert f"POST /login (x {showcase.LOGIN_TRIES - 30})" in table
    assert "POST /login (x 30)" in table
    assert "failed logins in 1 min: 40, usual 0" in table
    assert "0.97" in table


def test_an_event_that_was_not_decided_shows_how_it_ended() -> None:
    assert "duplicate" in shown([{"outcome": "duplicate", "duplicate_of": "a"}])


def test_only_an_action_other_than_allow_detects() -> None:
    assert not showcase.detects([{"outcome": "duplicate"}, {"action": "allow"}])
    assert showcase.detects([{"action": "allow"}, {"action": "alert"}])


def test_the_sample_ends_now_and_is_the_same_every_time(tmp_path: Path) -> None:
    first = sample.write(tmp_path / "a", NOW).read_text()
    again = sample.write(tmp_path / "b", NOW).read_text()

    times = [parse_access_line(line).occurred_at for line in first.splitlines()]
    assert first == again
    assert len(times) == sample.EVENTS
    assert datetime.fromisoformat(times[-1]) == NOW
    assert sorted(map(datetime.fromisoformat, times)) == list(map(datetime.fromisoformat, times))
