"""A chunk of events as columns: the shape in which everything after the wire is computed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TextColumn:
    """Strings of a chunk as one byte buffer, so that kernels can walk them.

    Args:
        buffer: The UTF-8 bytes of all strings, one after another, `(n_bytes,)`.
        offsets: Where each starts, and the end of the last, `(n_events + 1,)`.
    """

    buffer: NDArray[np.uint8]
    offsets: Ints

    @classmethod
    def of(cls, strings: Sequence[str]) -> TextColumn:
        joined = "".join(strings)
        encoded = joined.encode()
        if len(encoded) == len(joined):
            lengths = list(map(len, strings))
        else:
            lengths = [len(text.encode()) for text in strings]
        offsets = np.zeros(len(strings) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return cls(np.frombuffer(encoded, np.uint8), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1


class Columns:
    """Named columns of equal length, read as attributes: `event.status >= 400`."""

    __slots__ = ("_columns", "_length", "_derived")

    def __init__(self, columns: Mapping[str, Any], length: int) -> None:
        self._columns = dict(columns)
        self._length = length
        self._derived: dict[Hashable, Any] = {}

    def __getattr__(self, name: str) -> Any:  # a column's type is known to whoever declared it
        try:
            return self._columns[name]
        except KeyError:
            known = ", ".join(self._columns)
            raise AttributeError(f"no column {name!r}; there are {known}") from None

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def with_columns(self, **more: Any) -> Columns:
        with_more = Columns({**self._columns, **more}, self._length)
        if self._columns.keys().isdisjoint(more):
            with_more._derived = self._derived
        return with_more

    def derived(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is made of the columns the first time that it is asked for; not to be changed."""
        found: T | None = self._derived.get(key)
        if found is None:
            found = self._derived[key] = make()
        return found

    @classmethod
    def of_matrix(cls, names: Sequence[str], matrix: Floats) -> Columns:
        """A feature matrix `(n_events, n_features)` under its features' names."""
        return cls({name: matrix[:, i] for i, name in enumerate(names)}, len(matrix))


def once(claim: Callable[[Columns], Mask]) -> Callable[[Columns], Mask]:
    """A claim about events that is evaluated once for a chunk, however many rules rest on it."""

    @wraps(claim)
    def holds(event: Columns) -> Mask:
        return event.derived(claim, lambda: claim(event))

    return holds
