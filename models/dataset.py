"""What a model is trained and measured on: labelled events in time order, cut into windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from feature_store.columns import Columns, Floats, Ints, Mask
from feature_store.offline import features_of
from models.errors import InvalidSource
from models.pack import DomainPack

TRAINED_SHARE = 0.6
VALIDATED_SHARE = 0.2
LEAST_EVENTS = 200
SIMULATOR = "simulator"


class Arrival(NamedTuple):
    """An event of the pack's type, and its line in the source, from 1 (0 where it has none)."""

    event: Any  # whichever struct the pack declares
    line: int = 0


@dataclass(frozen=True, slots=True)
class Labels:
    """What people say that events were: 1 an attack, 0 none.

    Args:
        by_id: Event id to label.
        by_line: Line of the source to label.
    """

    by_id: Mapping[str, int] = field(default_factory=dict)
    by_line: Mapping[int, int] = field(default_factory=dict)

    def of(self, arrivals: Sequence[Arrival]) -> Floats:
        """Each arrival's label, NaN where nobody gave one, `(n_arrivals,)`."""
        return np.array([self._of(each) for each in arrivals], np.float64)

    def _of(self, arrival: Arrival) -> float:
        label = self.by_id.get(arrival.event.event_id) if arrival.event.event_id else None
        found = self.by_line.get(arrival.line) if label is None else label
        return np.nan if found is None else float(found)


@dataclass(frozen=True, slots=True)
class Windows:
    """Where a time-ordered stream of so many events is cut; nothing is fitted after `train`."""

    events: int

    @property
    def train(self) -> slice:
        return slice(0, int(TRAINED_SHARE * self.events))

    @property
    def validation(self) -> slice:
        end = int((TRAINED_SHARE + VALIDATED_SHARE) * self.events)
        return slice(self.train.stop, end)

    @property
    def test(self) -> slice:
        return slice(self.validation.stop, self.events)

    @property
    def later(self) -> slice:
        """Validation and test together."""
        return slice(self.train.stop, self.events)

    @property
    def named(self) -> tuple[tuple[str, slice], ...]:
        return ("train", self.train), ("validation", self.validation), ("test", self.test)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Events by event time; each column and array is `(n_events,)`.

    Args:
        event: The pack's columns.
        feature: The entity's features as they were when the event came.
        entity: First entity keys.
        truth: 1 is an attack, 0 is none, NaN is not known. For figures; never fitted.
        given: The labels that a model may learn from, likewise.
        source: What was read.
        sha256: Of the events as NDJSON, in this order.
        skipped: Arrivals left out: repeats, invalid ones, and those too late to be folded.
    """

    event: Columns
    feature: Columns
    entity: NDArray[np.str_]
    truth: Floats
    given: Floats
    source: str
    sha256: str
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.event)

    @property
    def windows(self) -> Windows:
        return Windows(len(self))


def simulated(pack: DomainPack, seed: int, events: int, given: Labels | None = None) -> Dataset:
    """The pack's seeded stream, whose truth is known; an event's line is its number."""
    pairs = list(pack.simulate(seed, events))
    arrivals = [Arrival(event, line) for line, (event, _) in enumerate(pairs, 1)]
    truth = np.array([label for _, label in pairs], np.float64)
    return dataset_of(pack, arrivals, SIMULATOR, given or Labels(), truth)


def dataset_of(
    pack: DomainPack,
    arrivals: Sequence[Arrival],
    source: str,
    given: Labels,
    truth: Floats | None = None,
) -> Dataset:
    """Events in the order in which they came, as the pipeline would have seen them.

    Features are folded in that order, by the kernel that serves; then all is put into time order.

    Args:
        truth: Each arrival's; by default the label that the event itself carries. What `given`
            says comes before both.

    Raises:
        InvalidSource: There are fewer than `LEAST_EVENTS` that can be judged.
    """
    chosen, event = _valid(pack, arrivals)
    folded = features_of(pack.features, event)
    is_late = np.isfinite(folded).sum(axis=1) == 0
    order = np.argsort(event.at, kind="stable")
    order = order[~is_late[order]]
    _require(len(order), source)
    labels, own = given.of(arrivals), _own_labels(arrivals) if truth is None else truth
    kept = chosen[order]
    events = [arrivals[i].event for i in kept]
    return Dataset(
        event=event if _is_as_it_was(order, event) else pack.columns(events),
        feature=Columns.of_matrix(pack.features.names, folded[order]),
        entity=np.array([pack.entity(each) for each in events]),
        truth=np.where(np.isnan(labels), own, labels)[kept],
        given=labels[kept],
        source=source,
        sha256=sha256(msgspec.json.Encoder().encode_lines(events)).hexdigest(),
        skipped=len(arrivals) - len(order),
    )


def _valid(pack: DomainPack, arrivals: Sequence[Arrival]) -> tuple[Ints, Columns]:
    """The places of the first arrivals of each valid event, and their columns."""
    chosen = _first_copies(arrivals)
    event = pack.columns([arrivals[i].event for i in chosen])
    valid: Mask = pack.valid(event)
    if valid.all():
        return chosen, event
    return chosen[valid], pack.columns([arrivals[i].event for i in chosen[valid]])


def _first_copies(arrivals: Sequence[Arrival]) -> Ints:
    first: dict[str, int] = {}
    ids = [arrival.event.event_id for arrival in arrivals]
    places = [i for i, name in enumerate(ids) if not name or first.setdefault(name, i) == i]
    return np.array(places, np.int64)


def _own_labels(arrivals: Sequence[Arrival]) -> Floats:
    labels = [getattr(arrival.event, "label", None) for arrival in arrivals]
    return np.array([np.nan if label is None else label for label in labels], np.float64)


def _is_as_it_was(order: Ints, event: Columns) -> bool:
    return len(order) == len(event) and bool((np.diff(order) == 1).all())


def _require(events: int, source: str) -> None:
    if events < LEAST_EVENTS:
        raise InvalidSource(
            f"{source}: training needs at least {LEAST_EVENTS} events, got {events}"
        )
