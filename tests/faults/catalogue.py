"""The faults: what each does, when it passes, and what came of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from statistics import median

from tests.faults.cluster import Clusters
from tests.faults.ledger import Verdict

GROUPS = "PRKTMALO"
"""Processes, Redis, Kafka, time, messages, the API, load, models."""

Inject = Callable[[Clusters, random.Random, int], "Outcome"]


@dataclass(slots=True)
class Outcome:
    """What came of a fault that was tried so many times.

    Args:
        times: How often the fault was really injected.
        verdict: Of the books; the sum where there were several clusters. None where no event flows.
        recovery_s: Of each time, seconds from the fault's end until all was answered that stood on
            the log then.
        figures: Whatever else was measured, by name, for the report.
        complaints: In what the fault's own pass mark was missed.
        note: For the report: the tests that prove the rest, or why the fault does not apply.
        applies: False where there is nothing that the fault could hit.
    """

    times: int = 0
    verdict: Verdict | None = None
    recovery_s: list[float] = field(default_factory=list)
    figures: dict[str, float | str] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    note: str = ""
    applies: bool = True

    @classmethod
    def not_applicable(cls, why: str) -> Outcome:
        return cls(note=why, applies=False)

    def require(self, holds: bool, complaint: str) -> None:
        """Note a missed pass mark and go on."""
        if not holds:
            self.complaints.append(complaint)

    def add(self, verdict: Verdict) -> None:
        """One more check of the books."""
        self.verdict = verdict if self.verdict is None else self.verdict + verdict

    @property
    def passed(self) -> bool:
        return not self.complaints and (self.verdict is None or self.verdict.is_balanced)

    @property
    def recovery(self) -> tuple[float, float] | None:
        """Median and worst, seconds."""
        return (median(self.recovery_s), max(self.recovery_s)) if self.recovery_s else None


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the catalogue.

    Args:
        passes: The pass mark, beyond balanced books.
        times: How often it is tried in a whole run.
        quick: How often in the run of a few minutes; 0 leaves it out there.
    """

    id: str
    title: str
    passes: str
    inject: Inject
    times: int
    quick: int


FAULTS: dict[str, Fault] = {}


def fault(
    id: str, title: str, *, passes: str, times: int = 10, quick: int = 0
) -> Callable[[Inject], Inject]:
    """Enter a function `(clusters, chance, times) -> Outcome` in the catalogue."""

    def enter(inject: Inject) -> Inject:
        assert id not in FAULTS, f"{id} is in the catalogue already"
        FAULTS[id] = Fault(id, title, passes, inject, times, quick)
        return inject

    return enter


def try_out(
    chosen: Fault, clusters: Clusters, seed: int, times: int | None = None, *, quick: bool = False
) -> Outcome:
    """Run one fault; what breaks the test itself is a missed pass mark too."""
    wanted = times or (quick and chosen.quick) or chosen.times
    try:
        return chosen.inject(clusters, random.Random(f"{seed} {chosen.id}"), wanted)
    except AssertionError as error:
        return Outcome(complaints=[str(error) or "an assertion failed"])
    except Exception as error:  # the other faults of the run are still to be tried
        return Outcome(complaints=[f"{type(error).__name__}: {error}"])


def chosen_of(ids: Sequence[str], *, quick: bool, faults: Mapping[str, Fault]) -> list[Fault]:
    """The faults named, `P` meaning all of its group; all, or all quick ones, without a name."""
    if not ids:
        return [fault for fault in faults.values() if fault.quick or not quick]
    wanted = [fault for fault in faults.values() if fault.id in ids or fault.id[0] in ids]
    unknown = {name for name in ids if all(name not in (f.id, f.id[0]) for f in wanted)}
    if unknown:
        raise SystemExit(f"no such fault: {', '.join(sorted(unknown))}")
    return wanted


def load() -> dict[str, Fault]:
    """Every fault of the modules `*_faults.py` beside this one, in the order of their ids."""
    for module in sorted(Path(__file__).parent.glob("*_faults.py")):
        import_module(f"tests.faults.{module.stem}")
    return dict(sorted(FAULTS.items(), key=lambda named: _place(named[0])))


def _place(id: str) -> tuple[int, int]:
    return GROUPS.index(id[0]), int(id[1:])
