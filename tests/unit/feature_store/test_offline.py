"""History at rest, and the promise that training sees what serving saw."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from feature_store.columns import Columns, Ints, TextColumn
from feature_store.definitions import DAY
from feature_store.kernel import WindowKernel
from feature_store.offline import EPOCH, OfflineStore, features_of, states_of
from tests.unit.feature_store.streams import LONGEST, SECOND, declared

MORNING = datetime(2026, 11, 20, 12, tzinfo=UTC)


def history(count: int = 500, seed: int = 7) -> Columns:
    """Events of a few entities, in time order, over a day and a half from MORNING."""
    rng = np.random.default_rng(seed)
    start = (MORNING - EPOCH) // timedelta(microseconds=1)
    at = start + np.sort(rng.integers(0, 36 * 3600, count)) * SECOND
    return columns(at, rng.integers(0, 300, count), rng.integers(0, 7, count))


def columns(at: Ints, size: Ints, who: Ints) -> Columns:
    return Columns(
        {
            "at": at,
            "size": size,
            "entity": TextColumn.of([f"é{w}" for w in who]),
            "key": TextColumn.of([f"key {s % 5}" for s in size]),
            "word": TextColumn.of([f"word {s % 11}" for s in size]),
        },
        len(at),
    )


def taken(event: Columns, order: Ints) -> Columns:
    who = [int(text[1:]) for text in strings(event.entity)]
    return columns(event.at[order], event.size[order], np.array(who)[order])


def strings(column: TextColumn) -> list[str]:
    raw = column.buffer.tobytes()
    return [raw[a:b].decode() for a, b in zip(column.offsets[:-1], column.offsets[1:], strict=True)]


def assert_same(event: Columns, other: Columns) -> None:
    assert list(event) == list(other)
    assert event.at.tolist() == other.at.tolist()
    assert event.size.tolist() == other.size.tolist()
    assert strings(event.entity) == strings(other.entity)


def test_events_come_back_as_they_were_appended(tmp_path: Path) -> None:
    event = taken(history(), np.random.default_rng(1).permutation(500))
    store = OfflineStore(tmp_path / "store")
    store.append("a", event)

    assert_same(store.read(), event)


def test_events_lie_by_day_of_event_time(tmp_path: Path) -> None:
    OfflineStore(tmp_path).append("a", history())

    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["2026-11-20.parquet", "2026-11-21.parquet"]


def test_appends_come_back_by_name(tmp_path: Path) -> None:
    store = OfflineStore(tmp_path)
    first, second = history(seed=1), history(seed=2)
    store.append("b", second)
    store.append("a", first)

    assert store.read().size.tolist() == [*first.size, *second.size]


def test_the_same_name_replaces_all_that_it_held(tmp_path: Path) -> None:
    store = OfflineStore(tmp_path)
    store.append("a", history(500))
    store.append("a", taken(history(500), np.arange(3)))

    assert len(store.read()) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_half_written_append_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = OfflineStore(tmp_path)
    store.append("a", history(10))
    write = pq.write_table

    def write_first_day_only(table: object, path: Path) -> None:
        if path.stem != "2026-11-20":
            raise OSError("no space left on device")
        write(table, path)

    monkeypatch.setattr(pq, "write_table", write_first_day_only)
    with pytest.raises(OSError, match="no space"):
        store.append("b", history(500))

    assert len(store.read()) == 10
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_read_is_bounded_in_time_and_columns(tmp_path: Path) -> None:
    store, event = OfflineStore(tmp_path), history()
    store.append("a", event)
    since, until = MORNING + timedelta(hours=3), MORNING + DAY
    found = store.read(since, until, ["size"])
    start, end = ((t - EPOCH) // timedelta(microseconds=1) for t in (since, until))
    inside = (event.at >= start) & (event.at < end)

    assert list(found) == ["at", "size"]
    assert found.size.tolist() == event.size[inside].tolist()


def test_frames_can_be_appended(tmp_path: Path) -> None:
    store = OfflineStore(tmp_path)
    store.append("a", pd.DataFrame({"at": [1, -1], "name": ["x", "y"]}))

    assert store.read().at.tolist() == [1, -1]
    assert strings(store.read().name) == ["x", "y"]


def test_an_empty_store_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no event from None until None"):
        OfflineStore(tmp_path / "none").read()


@pytest.mark.parametrize("name", ["", ".hidden", "a/b"])
def test_a_name_must_be_a_plain_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="plain file name"):
        OfflineStore(tmp_path).append(name, history(3))


def test_events_without_a_time_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs a column 'at'"):
        OfflineStore(tmp_path).append("a", Columns({"size": np.array([1])}, 1))


def test_training_sees_bit_for_bit_what_serving_saw(tmp_path: Path) -> None:
    event, kernel = history(), WindowKernel(declared())
    OfflineStore(tmp_path).append("a", event)
    inputs, names = kernel.inputs(event), strings(event.entity)
    served: dict[str, bytes] = {}
    rows = []
    for j, name in enumerate(names):
        one = slice(j, j + 1)
        part = type(inputs)(
            inputs.at[one], inputs.flags[one], inputs.values[one], inputs.hashes[one]
        )
        outcome = kernel.fold([served.get(name, b"")], np.zeros(1, np.int32), part)
        (served[name],) = outcome.states
        rows.append(outcome.features)
    stored = OfflineStore(tmp_path).read()

    assert features_of(declared(), stored, chunk=64).tobytes() == np.concatenate(rows).tobytes()
    assert states_of(declared(), stored) == served


def test_a_shuffled_history_ends_in_the_same_states() -> None:
    event = history()
    within = event.at[0] + np.sort(event.at - event.at[0]) * LONGEST // (36 * 3600 * SECOND)
    ordered = columns(within, event.size, np.arange(500) % 3)
    shuffled = taken(ordered, np.random.default_rng(3).permutation(500))
    features = declared(gap=False)

    assert states_of(features, shuffled) == states_of(features, ordered)
