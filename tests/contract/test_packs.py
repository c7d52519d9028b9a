"""What every pack promises; a new pack is tested by being in the catalog."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest

from feature_store.columns import Columns, TextColumn
from feature_store.kernel import WindowKernel
from feature_store.text import INVALID_TIME
from models.artifacts import champion_of
from models.catalog import PACKS, pack_named
from models.contracts import Action
from models.judging import judge, with_text
from models.pack import DomainPack

EVENTS = 3_000


@pytest.fixture(params=PACKS, ids=lambda pack: pack.name)
def pack(request: pytest.FixtureRequest) -> DomainPack:
    return pack_named(request.param.name)


@cache
def simulated(name: str) -> tuple[list[Any], list[int]]:
    """A pack's events, of the pack's own type, and their labels."""
    pairs = list(pack_named(name).simulate(7, EVENTS))
    return [event for event, _ in pairs], [label for _, label in pairs]


def folded(pack: DomainPack, events: list[Any]) -> tuple[Columns, Columns]:
    """The events' columns and the features of their entities."""
    kernel = WindowKernel(pack.features)
    places: dict[str, int] = {}
    entity = [places.setdefault(pack.entity(event), len(places)) for event in events]
    columns = pack.columns(events)
    states = [b""] * len(places)
    features = kernel.fold(states, np.array(entity, np.int32), kernel.inputs(columns)).features
    return columns, Columns.of_matrix(kernel.names, features)


def test_a_seed_is_one_stream(pack: DomainPack) -> None:
    again = [event for event, _ in pack.simulate(7, EVENTS)]

    assert again == simulated(pack.name)[0]


def test_a_stream_is_in_event_time_order_with_unique_ids(pack: DomainPack) -> None:
    events, _ = simulated(pack.name)

    assert (np.diff(pack.columns(events).at) >= 0).all()
    assert len({event.event_id for event in events}) == EVENTS


def test_both_labels_occur_and_attacks_are_the_fewer(pack: DomainPack) -> None:
    _, labels = simulated(pack.name)

    assert 0 < sum(labels) < EVENTS / 2


def test_events_survive_the_wire(pack: DomainPack) -> None:
    events, _ = simulated(pack.name)
    lines = msgspec.json.Encoder().encode_lines(events)

    assert msgspec.json.Decoder(pack.event).decode_lines(lines) == events
    assert lines.count(b"\n") == EVENTS


@pytest.mark.parametrize("n", [0, 1, 100])
def test_columns_are_as_long_as_the_chunk(pack: DomainPack, n: int) -> None:
    columns = pack.columns(simulated(pack.name)[0][:n])

    assert len(columns) == n
    assert {len(getattr(columns, name)) for name in columns} == {n}
    assert isinstance(columns.event_id, TextColumn)
    assert columns.at.dtype == np.int64


def test_simulated_events_keep_every_rule_of_the_door(pack: DomainPack) -> None:
    events, _ = simulated(pack.name)

    assert pack.valid(pack.columns(events)).all()
    assert [pack.check(event) for event in events[:100]] == [None] * 100


def test_an_unreadable_time_is_refused_with_its_reason(pack: DomainPack) -> None:
    broken = msgspec.structs.replace(simulated(pack.name)[0][0], occurred_at="yesterday")
    columns = pack.columns([broken])

    assert columns.at[0] == INVALID_TIME
    assert not pack.valid(columns).any()
    assert (pack.check(broken) or "").startswith(f"{pack.name}: occurred_at must be ")


def test_rules_stay_silent_on_an_entitys_first_ordinary_event(pack: DomainPack) -> None:
    events, labels = simulated(pack.name)
    first: dict[str, Any] = {}
    for event, label in zip(events, labels, strict=True):
        if not label:
            first.setdefault(pack.entity(event), event)
    columns, feature = folded(pack, list(first.values()))
    _, fired = judge(pack, champion_of(pack.name), feature, columns)

    assert [rule.name for rule, fires in zip(pack.rules, fired.T, strict=True) if fires.any()] == []


def test_rules_have_names_of_their_own_and_quote_features_that_exist(pack: DomainPack) -> None:
    names = [rule.name for rule in pack.rules]

    assert len(set(names)) == len(names)
    assert {rule.feature for rule in pack.rules} <= {None, *pack.features.names}
    assert all(rule.reference for rule in pack.rules)


def test_the_model_sees_columns_that_exist(pack: DomainPack) -> None:
    columns = pack.columns([])

    assert set(pack.model_features) <= {*pack.features.names, *columns}


def test_an_explanation_shows_numbers_that_exist(pack: DomainPack) -> None:
    columns = with_text(pack, champion_of(pack.name), pack.columns(simulated(pack.name)[0][:9]))

    assert pack.traits
    assert all(np.isfinite(getattr(columns, name)).all() for name in pack.traits)


def test_a_block_ends_some_day_and_severities_earn_actions(pack: DomainPack) -> None:
    assert pack.policy.ttl[Action.BLOCK].total_seconds() > 0
    assert min(pack.policy.by_severity) <= min(rule.severity for rule in pack.rules)


def test_the_champion_is_what_its_manifest_says_and_judges_the_stream(pack: DomainPack) -> None:
    champion = champion_of(pack.name)
    columns, feature = folded(pack, simulated(pack.name)[0])
    score = champion.score(feature, columns)

    assert champion.manifest.features == pack.model_features
    assert ((score >= 0) & (score <= 1)).all()
