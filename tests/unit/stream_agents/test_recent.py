"""The states that a worker met last, in two generations."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from stream_agents.recent import RecentStates


def held(recent: RecentStates) -> Mapping[str, bytes]:
    return dict(recent)


def test_an_entity_that_was_never_met_is_missing() -> None:
    recent = RecentStates(4)
    recent.young["a"] = b"1"

    assert recent.missing(["a", "b", "c"]) == ["b", "c"]


def test_an_old_entity_that_is_asked_for_is_young_again() -> None:
    recent = RecentStates(2)
    recent.young |= {"a": b"1", "b": b"2"}
    recent.grow_old()

    assert recent.missing(["a", "c"]) == ["c"]

    assert recent.young == {"a": b"1"}
    assert held(recent) == {"a": b"1", "b": b"2"}


def test_what_is_old_and_not_asked_for_is_forgotten_once_the_young_are_half_of_all() -> None:
    recent = RecentStates(4)
    recent.young |= {"a": b"1", "b": b"2"}
    recent.grow_old()
    recent.young["c"] = b"3"
    recent.grow_old()
    assert held(recent) == {"a": b"1", "b": b"2", "c": b"3"}

    recent.missing(["b"])
    recent.grow_old()

    assert held(recent) == {"b": b"2", "c": b"3"}


@given(
    st.integers(0, 6),
    st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=4, unique=True)),
)
def test_a_chunk_finds_what_it_wants_and_no_more_is_held_than_said(
    most: int, chunks: list[list[str]]
) -> None:
    recent, stored = RecentStates(most), dict[str, bytes]()
    for number, chunk in enumerate(chunks):
        before = {entity: stored.get(entity, b"") for entity in chunk}
        recent.young.update({entity: before[entity] for entity in recent.missing(chunk)})
        assert {entity: recent.young[entity] for entity in chunk} == before

        after = dict.fromkeys(chunk, b"%d" % number)
        recent.young.update(after)
        recent.grow_old()
        stored |= after

        assert after.items() <= held(recent).items() <= stored.items()
        assert len(recent) == len(held(recent)) <= most + 4
