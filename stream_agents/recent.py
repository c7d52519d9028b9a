"""The states of the entities that a worker met last: it does not read them again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


class RecentStates:
    """Two generations. When the young one is half of all, it becomes the old one.

    What is old and is not asked for until then is forgotten. A list in the order of use would
    choose better what to forget, but costs a fifth more memory an entity, and a move each time.

    Args:
        most: So many entities are held, and those of one chunk beyond.
    """

    def __init__(self, most: int) -> None:
        self.young: dict[str, bytes] = {}
        self._old: dict[str, bytes] = {}
        self._half = most // 2

    def __len__(self) -> int:
        return len(self.young) + len(self._old)

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Entities with their states."""
        yield from self._old.items()
        yield from self.young.items()

    def missing(self, entities: Iterable[str]) -> Sequence[str]:
        """Those whose state is not held; the states of the others are young from now on."""
        unmet = [entity for entity in entities if entity not in self.young]
        again = {entity: self._old.pop(entity) for entity in unmet if entity in self._old}
        self.young |= again
        return [entity for entity in unmet if entity not in again]

    def grow_old(self) -> None:
        """For the end of a chunk: makes room if there is none."""
        if len(self.young) >= self._half:
            self.young, self._old = {}, self.young
