"""The arithmetic of a replay's account."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from models.contracts import ActionTaken, Outcome, Reason
from producer.ledger import Ledger

PARTS = st.lists(st.lists(st.sampled_from(Outcome), min_size=1, max_size=5), max_size=8)


def answer(*outcomes: Outcome) -> bytes:
    lines = (ActionTaken(event_id="x", outcome=outcome.value) for outcome in outcomes)
    return b"\n".join(map(msgspec.json.encode, lines))


@given(parts=PARTS, order=st.randoms(use_true_random=False))
def test_whatever_comes_however_often_is_counted_once(
    parts: list[list[Outcome]], order: object
) -> None:
    ledger = Ledger()
    for part, outcomes in enumerate(parts):
        ledger.sent += len(outcomes)
        ledger.expect(part, len(outcomes))
    arriving = [*enumerate(parts), *enumerate(parts)]
    order.shuffle(arriving)  # type: ignore[attr-defined]  # a random.Random of Hypothesis's own

    for part, outcomes in arriving:
        ledger.settle(part, answer(*outcomes))

    flat = [outcome for outcomes in parts for outcome in outcomes]
    assert ledger.totals() == {
        "sent": len(flat),
        "decided": flat.count(Outcome.DECIDED),
        "duplicate": flat.count(Outcome.DUPLICATE),
        "late": flat.count(Outcome.LATE),
        "dead_lettered": flat.count(Outcome.DEAD),
        "missing": 0,
    }
    assert ledger.is_settled


def test_a_part_that_never_comes_is_missing() -> None:
    ledger = Ledger(sent=5)
    ledger.expect(0, 2)
    ledger.expect(1, 3)

    ledger.settle(0, answer(Outcome.DECIDED, Outcome.LATE))

    assert ledger.missing == 3
    assert not ledger.is_settled


def test_another_replays_part_changes_nothing() -> None:
    ledger = Ledger(sent=1)
    ledger.expect(0, 1)

    assert not ledger.settle(7, answer(Outcome.DECIDED))
    assert ledger.missing == 1


def test_an_outcome_inside_a_text_is_not_counted() -> None:
    ledger = Ledger(sent=1)
    ledger.expect(0, 1)
    reason = Reason("x", '","outcome":"late"')

    ledger.settle(
        0, msgspec.json.encode(ActionTaken(event_id="a", outcome="decided", reasons=(reason,)))
    )

    assert (ledger.decided, ledger.late, ledger.missing) == (1, 0, 0)


def test_rejected_lines_are_dead_lettered() -> None:
    ledger = Ledger(sent=10_000, decided=9_970, duplicate=19, dead=1, rejected=10)

    assert str(ledger) == (
        "sent 10,000 = decided 9,970 + duplicate 19 + late 0 + dead-lettered 11 + missing 0"
    )
