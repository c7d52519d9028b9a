"""Plants each fault in a copy of the tree; fails if a test that is meant to catch it does not."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.planted.planting import Outcome, copy_tree, plant, run_tests
from tests.planted.plants import PLANTS, Plant


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def told(outcome: Outcome) -> str:
    caught = len(outcome.plant.caught_by) - len(outcome.missed_by)
    verdict = "SURVIVES" if outcome.missed_by else "caught"
    of = len(outcome.plant.caught_by)
    return f"{verdict:<9} {outcome.seconds:>6.0f} s  {outcome.plant.name}: by {caught} of {of}"


def wanted(name: str) -> list[Plant]:
    return [fault for fault in PLANTS if name in fault.name]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.planted", description=__doc__)
    parser.add_argument("--only", default="", help="faults whose name holds this")
    faults = wanted(parser.parse_args().only)
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        tests = sorted({test for fault in faults for test in fault.caught_by})
        if said := run_tests(tree, tests):
            say(f"{said}the tests fail without any fault: nothing can be learned from them")
            return 1
        say(f"sound     {len(tests)} tests pass without a fault")
        survived = 0
        for fault in faults:
            outcome = plant(fault, tree)
            survived += bool(outcome.missed_by)
            say(told(outcome))
            for test in fault.caught_by:
                say(f"{'':>20}{'missed' if test in outcome.missed_by else 'red   '}  {test}")
    say(f"{len(faults)} faults planted, {survived} survive")
    return 1 if survived or not faults else 0


if __name__ == "__main__":
    sys.exit(main())
