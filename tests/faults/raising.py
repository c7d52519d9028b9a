"""An agent as it is, but that events of a certain id break its code.

    FAULT_STAGE=ingestion python -m tests.faults.raising

An id that begins with `fault-feature`, `fault-score`, `fault-explain` or `fault-decide` makes that
part raise, every time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from stream_agents import decision, ingestion
from stream_agents.deciding import Deciding
from stream_agents.engine import Detection
from tests.faults.dying import ENV_STAGE

PARTS = ("feature", "score", "explain", "decide")


class Broken(Exception):
    """What a bug would raise."""


def id_of(part: str, number: int) -> str:
    """An id that breaks a part."""
    return f"fault-{part}-{number}"


def refuse(part: str, events: Iterable[Any]) -> None:
    for event in events:
        if event.event_id.startswith(f"fault-{part}"):
            raise Broken(f"{part} of {event.event_id}")


@contextmanager
def broken_parts() -> Iterator[None]:
    """While it lasts, in this process, the parts are broken."""
    kept = {name: getattr(Detection, name) for name in ("_features", "_judge", "_explain")}
    decide = Deciding.decide

    def watched(part: str, call: Callable[..., Any], events: Callable[..., Any]) -> Any:
        def watching(self: Any, *given: Any) -> Any:
            refuse(part, events(*given))
            return call(self, *given)

        return watching

    def of_chunk(chunk: Any, *_: Any) -> Any:
        return chunk.lines.events

    def noted(made: Any, judged: Any, event: Any, which: Any) -> Any:
        return [made[number] for number in which.tolist()]

    def of_lines(lines: Any, *_: Any) -> Any:
        return lines.events

    broken = {
        "_features": watched("feature", kept["_features"], of_chunk),
        "_judge": watched("score", kept["_judge"], of_chunk),
        "_explain": watched("explain", kept["_explain"], noted),
    }
    try:
        for name, method in broken.items():
            setattr(Detection, name, method)
        Deciding.decide = watched("decide", decide, of_lines)  # type: ignore[method-assign]
        yield
    finally:
        for name, method in kept.items():
            setattr(Detection, name, method)
        Deciding.decide = decide  # type: ignore[method-assign]


def main() -> None:
    with broken_parts():
        {"ingestion": ingestion, "decision": decision}[os.environ[ENV_STAGE]].main()


if __name__ == "__main__":
    main()
