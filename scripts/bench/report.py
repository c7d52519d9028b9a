"""docs/benchmarks.md and its pictures, made of one run's figures.

python -m scripts.bench.report            # of docs/benchmarks.json
python -m scripts.bench.report FILE       # of this one, which then takes its place
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts.bench import charts, engines, tables
from scripts.stack.settings import ROOT

TEMPLATE = Path(__file__).with_name("benchmarks.template.md")
DOCS = ROOT / "docs"


def page(found: dict[str, Any]) -> str:
    """The page; a part that was not run says so."""
    text = TEMPLATE.read_text()
    for name, write in tables.TABLES.items():
        text = text.replace(f"<!-- {name} -->", write(found))
    return text


def pictures(found: dict[str, Any]) -> dict[str, str]:
    """File name to SVG."""
    drawn = {}
    if "throughput" in found:
        drawn["bench-cpu.svg"] = charts.bars(
            "CPU seconds per million events, contender and Redis together",
            "logarithmic; less is better; the line spans the rounds",
            engines.cpu_bars(found),
            logarithmic=True,
        )
        drawn["bench-rate.svg"] = charts.bars(
            "Events a second on one core",
            "logarithmic; broker, Redis and the harness on another core; the line spans the rounds",
            engines.rate_bars(found),
            logarithmic=True,
        )
    if "latency" in found:
        drawn["bench-latency.svg"] = charts.bars(
            "POST /analyze, batches of 100 events, open loop: median, and p99 as the line's end",
            "milliseconds from the time at which a batch was due; the floor is a sum of parts",
            tables.latency_bars(found),
            logarithmic=True,
        )
    return drawn


def main(
    file: Annotated[Path, typer.Argument(help="Figures of `python -m scripts.bench`.")] = DOCS
    / "benchmarks.json",
) -> None:
    found = json.loads(file.read_text())
    (DOCS / "benchmarks.json").write_text(json.dumps(found, indent=1) + "\n")
    (DOCS / "benchmarks.md").write_text(page(found))
    for name, drawn in pictures(found).items():
        (DOCS / "images" / name).write_text(drawn)


if __name__ == "__main__":
    typer.run(main)
