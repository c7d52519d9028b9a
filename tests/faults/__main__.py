"""Real faults against real servers.

    python -m tests.faults                    all of the catalogue
    python -m tests.faults P1 K --seed 3      one fault, and all of a group
    python -m tests.faults --quick            the few minutes that CI takes
    python -m tests.faults --report docs/reliability.md

Ends with 1 where a pass mark was missed.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from pathlib import Path

import structlog

from tests.faults import report
from tests.faults.catalogue import chosen_of, load, try_out
from tests.faults.cluster import factory
from tests.faults.servers import servers

RESULTS = Path(".centinela/faults.json")


def main() -> int:
    asked = _arguments()
    # Told to end, it ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # What the clients and the fold in this process have to say is not about the workers.
    logging.getLogger("centinela.kafka").setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    faults = chosen_of(asked.ids, quick=asked.quick, faults=load())
    rows = []
    with servers() as running:
        clusters = factory(running)
        for fault in faults:
            started = time.monotonic()
            outcome = try_out(fault, clusters, asked.seed, asked.times, quick=asked.quick)
            rows.append(report.row_of(fault, outcome, time.monotonic() - started))
            sys.stdout.write(f"{report.line_of(rows[-1])}\n")
            sys.stdout.flush()
            known = report.merged(asked.json, rows)
            report.write_json(asked.json, known)
    if asked.report:
        report.write_page(asked.report, known)
    return 0 if all(row["passed"] for row in rows) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("ids", nargs="*", metavar="ID", help="P1, or P for all of a group")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--times", type=int, help="how often each is tried, instead of its own number"
    )
    parser.add_argument("--quick", action="store_true", help="few faults, few times each")
    parser.add_argument("--report", type=Path, help="a page whose tables are written anew")
    parser.add_argument(
        "--json", type=Path, default=RESULTS, help="where results are kept, run after run"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
