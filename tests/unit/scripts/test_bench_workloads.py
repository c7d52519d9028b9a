"""The bench's other events: what share of them is what, and what is to be answered."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from models.catalog import pack_named
from scripts.bench import cards, load, statuses
from scripts.bench.answers import Comparison, Told, fault_of_j1, fault_of_pack
from scripts.bench.contenders.contender import NotHad
from scripts.bench.messy import LATEST, messy
from scripts.bench.right import Right, right_rows
from scripts.bench.workload import event_of

UNTIL_US = 1_767_225_600_000_000
Keyed = tuple[str, bytes]


def requests(events: int, hot: float = 0.0) -> list[Keyed]:
    pack = pack_named("access")
    made = load.lines(pack, events, 200, is_flat=False, seed=7, until_us=UNTIL_US, hot=hot)
    return list(made)


def at(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["occurred_at"]).timestamp()


def valid(lines: Sequence[Keyed]) -> list[tuple[str, dict[str, Any]]]:
    return [(client, event) for client, line in lines if (event := event_of(line))]


@pytest.fixture(scope="module")
def mess() -> list[Keyed]:
    return list(messy(requests(60_000), seed=7))


def test_a_hot_client_has_its_share_and_the_rest_is_as_before() -> None:
    clients = Counter(client for client, _ in requests(20_000, hot=0.3))

    (first, most), (_, second) = clients.most_common(2)
    assert first == "10.0.0.0"
    assert most / 20_000 == pytest.approx(0.3 * 0.98, abs=0.01)
    assert second < most / 2


@pytest.mark.parametrize(
    "line", [b"[1]", b'"text"', b"{}", b"{", b"", b'{"status":200}', b"null", b"\xff"]
)
def test_what_is_no_event_of_the_job_is_none(line: bytes) -> None:
    assert event_of(line) is None


def test_a_mess_has_as_many_lines_and_is_the_same_each_time() -> None:
    lines = requests(5_000)

    again = [list(messy(lines, seed=7)) for _ in range(2)]

    assert again[0] == again[1] != list(messy(lines, seed=8))
    assert len(again[0]) == len(lines)


def test_one_line_in_a_thousand_is_malformed_in_each_way(mess: list[Keyed]) -> None:
    malformed = [line for _, line in mess if event_of(line) is None]

    assert len(malformed) / len(mess) == pytest.approx(0.001, rel=0.4)
    kinds = Counter(line[:3] == b"not" or line[-1:] == b"}" for line in malformed)
    assert min(kinds.values()) > 5
    assert any(isinstance(json.loads(line)["status"], str) for line in malformed if is_json(line))


def is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def test_one_line_in_a_thousand_repeats_one_of_the_last_two_minutes(mess: list[Keyed]) -> None:
    first: dict[bytes, int] = {}
    behind = [
        number - first[line]
        for number, (_, line) in enumerate(mess)
        if first.setdefault(line, number) != number
    ]

    assert len(behind) / len(mess) == pytest.approx(0.001, rel=0.4)
    assert 0 < min(behind) <= max(behind) < 1.01 * LATEST


def test_one_event_in_a_hundred_comes_late_by_at_most_two_minutes(mess: list[Keyed]) -> None:
    newest, lags = 0.0, []
    for _, event in valid(mess):
        newest = max(newest, at(event))
        lags.append(newest - at(event))

    late = [lag for lag in lags if lag > 0]
    assert len(late) / len(mess) == pytest.approx(0.011, rel=0.1)
    assert 100 < max(late) < 240


def test_each_event_stays_with_its_client(mess: list[Keyed]) -> None:
    assert all(client == event["client_ip"] for client, event in valid(mess))
    assert Counter(client for client, _ in mess).keys() <= {
        client for client, _ in requests(60_000)
    }


def event(name: str, second: int, **other: object) -> tuple[str, dict[str, Any]]:
    told = {"occurred_at": f"2026-01-01T00:{second // 60:02}:{second % 60:02}Z", "status": 200}
    return "a", {"event_id": name, "client_ip": "a", "bytes": 10, **told, **other}


def test_a_late_event_counts_where_its_time_belongs() -> None:
    right = right_rows([event("1", 60), event("2", 659), event("late", 630, status=500)])

    assert [one.sliding for one in right] == [(1, 10, 0), (2, 10, 0), (2, 10, 0.5)]
    assert [one.row[0] for one in right] == [1, 2, 3]


def test_a_repeat_counts_again_in_the_job_and_not_in_our_windows() -> None:
    right = right_rows([event("1", 0), event("1", 0), event("2", 1)])

    assert [one.is_repeat for one in right] == [False, True, False]
    assert [one.row[0] for one in right] == [1, 2, 3]
    assert [one.sliding and one.sliding[0] for one in right] == [1, None, 2]


def test_a_malformed_line_counts_nowhere() -> None:
    right = right_rows([event("1", 0), ("a", None), event("2", 1)])

    assert [one.event_id for one in right] == ["1", "", "2"]
    assert [one.row[0] for one in right] == [1, 0, 2]


def test_beyond_what_is_kept_no_count_is_known() -> None:
    right = right_rows(event(str(number), number // 2) for number in range(66))

    assert [one.sliding is None for one in right] == [False] * 64 + [True] * 2


def messy_lines() -> list[Right]:
    return right_rows([event("1", 0), event("1", 0), ("a", None), event("2", 1)])


def ours(name: str, outcome: str = "decided", **features: float) -> dict[str, Any]:
    told = {"features": {"client_requests_count_10m": features["count"]}} if features else {}
    return {"event_id": name, "outcome": outcome, **told}


def peers(name: str, count: int) -> dict[str, Any]:
    return {"event_id": name, "count": count, "score": 0.0}


def told(comparison: Comparison, answers: Iterator[dict[str, Any]]) -> Told:
    for answer in answers:
        comparison.see("a", answer)
    return comparison.told


OURS = [ours("1", count=1), ours("1", "duplicate"), ours("0-0-2", "dead"), ours("2", count=2)]
PEERS = [peers("1", 1), peers("1", 2), peers("2", 3)]


def test_ours_answers_each_line_as_what_it_is() -> None:
    found = told(Comparison({"a": messy_lines()}, fault_of_pack), iter(OURS))

    assert found == Told(4, 0, "", repeats=1, counted_again=0, malformed=1, said=1)


@pytest.mark.parametrize("missing", range(3))
def test_a_line_that_ours_does_not_answer_is_missing(missing: int) -> None:
    answers = [answer for number, answer in enumerate(OURS) if number != missing]

    found = told(Comparison({"a": messy_lines()}, fault_of_pack), iter(answers))

    assert found.differing >= 1
    assert "missing" in found.fault


def test_a_repeat_that_ours_decides_is_wrong() -> None:
    answers = [OURS[0], ours("1", count=2), *OURS[2:]]

    found = told(Comparison({"a": messy_lines()}, fault_of_pack), iter(answers))

    assert (found.differing, found.fault, found.counted_again) == (1, "1 decided", 1)


def test_a_job_that_counts_repeats_again_is_seen_to() -> None:
    found = told(Comparison({"a": messy_lines()}, fault_of_j1), iter(PEERS))

    assert found == Told(3, 0, "", repeats=1, counted_again=1, malformed=1, said=0)


def test_a_job_that_drops_repeats_is_not_held_to_have_counted_them() -> None:
    found = told(Comparison({"a": messy_lines()}, fault_of_j1), iter([PEERS[0], PEERS[2]]))

    assert (found.repeats, found.counted_again, found.differing) == (1, 0, 0)


def test_an_event_that_a_job_leaves_out_is_missing() -> None:
    lines = right_rows(event(name, 0) for name in "123")

    found = told(Comparison({"a": lines}, fault_of_j1), iter([peers("1", 1), peers("3", 3)]))

    assert (found.compared, found.differing, found.fault) == (3, 1, "1 missing")


def test_a_payment_becomes_an_event_of_its_customer(tmp_path: Path) -> None:
    payments = tmp_path / "payments.csv.gz"
    head = "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n"
    rows = "0,2018-04-01 00:00:31,596,3156,57.16,0\n1,2018-04-01 00:02:10,4961,3412,81.5,1\n"
    payments.write_bytes(gzip.compress((head + rows).encode()))

    made = valid(list(cards.lines(payments)))

    assert [client for client, _ in made] == ["596", "4961"]
    assert [(one["bytes"], one["status"]) for _, one in made] == [(5716, 200), (8150, 402)]
    assert made[0][1]["occurred_at"] == "2018-04-01T00:00:31Z"


def test_without_the_payments_their_workload_is_not_had(tmp_path: Path) -> None:
    with pytest.raises(NotHad, match="CENTINELA_DATA"):
        next(cards.lines(tmp_path / "payments.csv.gz"))


def test_each_series_has_one_count_a_minute_and_some_fail_for_a_while() -> None:
    made = valid(list(statuses.lines(100_000, 7, UNTIL_US)))

    assert Counter(client for client, _ in made) == dict.fromkeys({c for c, _ in made}, 2_000)
    assert len({client for client, _ in made}) == statuses.SERIES == 50
    assert at(made[-1][1]) == UNTIL_US / 1e6
    assert at(made[50][1]) - at(made[0][1]) == 60
    failing = sum(one["status"] == 500 for _, one in made) / len(made)
    assert 0.002 < failing < 0.05
    assert made == valid(list(statuses.lines(100_000, 7, UNTIL_US)))


def test_a_day_of_payments_is_least_at_midnight_and_most_at_midday() -> None:
    made = valid(list(statuses.lines(1440 * 50, 7, UNTIL_US)))
    by_hour = Counter[str]()
    for _, one in made:
        by_hour[one["occurred_at"][11:13]] += one.get("bytes", 0)

    assert by_hour["12"] > 5 * by_hour["00"]
