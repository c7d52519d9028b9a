"""Each rule of every pack: what fires it, what just misses it, and an entity's first events.

A pack shows them in `tests/unit/models/packs/<name>/samples.py`: `FIRES` and `MISSES` map each
rule to streams of events, of which the last counts; `UNSEEN` holds streams of one event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from feature_store.columns import Columns
from feature_store.offline import features_of
from models.artifacts import champion_of
from models.catalog import PACKS
from models.judging import judge
from models.pack import DomainPack

Stream = Sequence[Any]  # of the pack's own events


def samples_of(pack: DomainPack) -> Any:  # a module whose names are checked below
    return import_module(f"tests.unit.models.packs.{pack.name}.samples")


def fired(pack: DomainPack, stream: Stream) -> set[str]:
    """Names of the rules that fired on the last event."""
    event = pack.columns(stream)
    feature = Columns.of_matrix(pack.features.names, features_of(pack.features, event))
    last = judge(pack, champion_of(pack.name), feature, event)[1][-1]
    return {rule.name for rule, fires in zip(pack.rules, last.tolist(), strict=True) if fires}


def cases(table: str) -> list[object]:
    """Pack, rule and stream of each sample in a pack's table."""
    return [
        pytest.param(pack, rule, stream, id=f"{pack.name}-{rule}-{i}")
        for pack in PACKS
        for rule, streams in getattr(samples_of(pack), table).items()
        for i, stream in enumerate(streams)
    ]


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.name)
def test_every_rule_shows_what_fires_it_what_misses_it_and_the_unseen(pack: DomainPack) -> None:
    samples, names = samples_of(pack), {rule.name for rule in pack.rules}
    tables: list[Mapping[str, Sequence[Stream]]] = [samples.FIRES, samples.MISSES]

    assert [set(table) for table in tables] == [names, names]
    assert [name for table in tables for name in names if not table[name]] == []
    assert samples.UNSEEN
    assert {len(stream) for stream in samples.UNSEEN} == {1}


@pytest.mark.parametrize(("pack", "rule", "stream"), cases("FIRES"))
def test_a_rule_fires(pack: DomainPack, rule: str, stream: Stream) -> None:
    assert rule in fired(pack, stream)


@pytest.mark.parametrize(("pack", "rule", "stream"), cases("MISSES"))
def test_a_rule_stays_silent_just_short_of_it(pack: DomainPack, rule: str, stream: Stream) -> None:
    assert rule not in fired(pack, stream)


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.name)
def test_all_rules_stay_silent_on_an_unseen_entity(pack: DomainPack) -> None:
    assert [fired(pack, stream) for stream in samples_of(pack).UNSEEN] == [set()] * len(
        samples_of(pack).UNSEEN
    )


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.name)
def test_a_rule_says_nothing_of_what_is_unknown(pack: DomainPack) -> None:
    event = pack.columns(samples_of(pack).UNSEEN[0])
    unknown = np.full((1, len(pack.features.names)), np.nan)

    feature = Columns.of_matrix(pack.features.names, unknown)

    assert not judge(pack, champion_of(pack.name), feature, event)[1].any()
