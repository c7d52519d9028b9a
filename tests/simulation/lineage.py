"""Which records a stored state is made of: a path through a tree, one node a record.

The simulation notes it beside the real state. What the states and outcomes along a path must be,
the oracle says from the records alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from producer.records import Record


@dataclass(eq=False, slots=True)
class Node:
    """The newest record of a path.

    Args:
        epoch: Id of the topic that the record stands on.
        version: Of what judged it, where that changes what is remembered; empty otherwise.
        expected: What the oracle says of the record after those before it; None before it was
            asked.
    """

    before: Node | None
    record: Record | None = None
    epoch: str = ""
    version: str = ""
    expected: Any = None
    _after: dict[tuple[str, int, str], Node] = field(default_factory=dict)

    def after(self, record: Record, epoch: str, version: str) -> Node:
        """The one node of this path and a further record."""
        key = (epoch, record.offset, version)
        if key not in self._after:
            self._after[key] = Node(self, record, epoch, version)
        return self._after[key]

    def path(self) -> list[Node]:
        """The nodes from the first record to this one."""
        nodes = list(self._up())
        nodes.reverse()
        return nodes

    def since(self, older: Node) -> list[Node]:
        """The nodes after another one of this path; all of them if it is not on it."""
        nodes = []
        for node in self._up():
            if node is older:
                break
            nodes.append(node)
        nodes.reverse()
        return nodes

    def _up(self) -> Iterator[Node]:
        node: Node | None = self
        while node is not None and node.record is not None:
            yield node
            node = node.before
