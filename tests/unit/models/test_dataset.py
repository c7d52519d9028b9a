"""What training reads: each event once, with what was known when it came, in time order."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from models.dataset import LEAST_EVENTS, Arrival, Dataset, Labels, Windows, dataset_of
from models.errors import InvalidSource
from models.packs.access import PACK
from models.packs.access.events import AccessEvent
from tests.unit.models.streams import EVENTS, SEED, small

FEW = 400


def arrivals(count: int = FEW) -> list[Arrival]:
    pairs = PACK.simulate(SEED, count)
    return [Arrival(event, line) for line, (event, _) in enumerate(pairs, 1)]


def read(came: list[Arrival], given: Labels | None = None) -> Dataset:
    return dataset_of(PACK, came, "test", given or Labels())


def changed(arrival: Arrival, **fields: Any) -> Arrival:
    return Arrival(msgspec.structs.replace(arrival.event, **fields), arrival.line)


def test_windows_are_60_20_and_20_percent_in_order() -> None:
    windows = Windows(1_000)

    assert windows.train == slice(0, 600)
    assert windows.validation == slice(600, 800)
    assert windows.test == slice(800, 1_000)
    assert windows.later == slice(600, 1_000)


def test_no_window_reaches_back_before_the_one_before_it() -> None:
    at = small().event.at
    windows = small().windows

    assert at[windows.train].max() <= at[windows.validation].min()
    assert at[windows.validation].max() <= at[windows.test].min()


def test_events_are_in_time_order_with_the_features_they_had_when_they_came() -> None:
    came = arrivals()
    came[100:300] = came[299:99:-1]
    data = read(came)
    served = {a.event.event_id: i for i, a in enumerate(came)}
    in_order = sorted(came, key=lambda arrival: arrival.event.occurred_at)
    as_it_came = read_features(came)

    assert (np.diff(data.event.at) >= 0).all()
    for row, arrival in zip(data_rows(data), in_order, strict=True):
        np.testing.assert_array_equal(row, as_it_came[served[arrival.event.event_id]])


def read_features(came: list[Arrival]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    from feature_store.offline import features_of

    return features_of(PACK.features, PACK.columns([arrival.event for arrival in came]))


def data_rows(data: Dataset) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.column_stack([getattr(data.feature, name) for name in PACK.features.names])


def test_a_repeat_is_left_out_and_changes_no_feature() -> None:
    came = arrivals()
    data = read([*came[:50], *came[:50], *came[50:]])

    assert data.skipped == 50
    np.testing.assert_array_equal(data_rows(data), data_rows(read(came)))


@pytest.mark.parametrize(
    "fields",
    [{"status": 7}, {"occurred_at": "yesterday"}, {"occurred_at": "2025-02-20T00:00:00Z"}],
    ids=["invalid", "no time", "late"],
)
def test_what_the_pipeline_does_not_judge_is_left_out(fields: dict[str, Any]) -> None:
    came = arrivals()
    known = came[-1].event.client_ip
    data = read([*came, changed(came[0], event_id="new", client_ip=known, **fields)])

    assert (len(data), data.skipped) == (FEW, 1)


def test_too_few_events_are_refused_with_both_numbers() -> None:
    with pytest.raises(InvalidSource, match=f"test: .* at least {LEAST_EVENTS} events, got 150"):
        read(arrivals(150))


def test_labels_are_found_by_id_before_line_and_are_truth_too() -> None:
    came = arrivals()
    data = read(came, Labels({came[0].event.event_id: 1}, {1: 0, 2: 1}))

    assert data.given[:3].tolist() == [1, 1, pytest.approx(np.nan, nan_ok=True)]
    assert data.truth[:2].tolist() == [1, 1]


def test_a_label_that_an_event_carries_is_truth_but_is_not_learned() -> None:
    came = arrivals()
    data = read([changed(came[0], label=1), *came[1:]])

    assert data.truth[0] == 1
    assert np.isnan(data.given[0])


def test_the_hash_is_that_of_the_events() -> None:
    came = arrivals()

    assert read(came).sha256 == read(came).sha256
    assert read(came).sha256 != read([changed(came[0], status=418), *came[1:]]).sha256


def test_the_simulators_truth_is_all_known() -> None:
    labels = [label for _, label in PACK.simulate(SEED, EVENTS)]

    assert small().truth.tolist() == labels
    assert np.isnan(small().given).all()


def test_an_event_without_an_id_is_never_a_repeat() -> None:
    came = [changed(arrival, event_id="") for arrival in arrivals()]

    assert len(read(came)) == FEW


def test_an_entity_is_the_packs_first_key() -> None:
    events: list[AccessEvent] = [arrival.event for arrival in arrivals()]

    assert read(arrivals()).entity.tolist() == [event.client_ip for event in events]
