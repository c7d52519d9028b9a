"""`POST /analyze` on a running stack: batches of 100 events, one client, one after another.

make up                                  # in another terminal
python -m scripts.bench.analyze --batches 500
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Annotated

import httpx
import typer

from models.catalog import pack_named
from scripts.bench import load

WARM_UP = 50


def main(
    api: Annotated[str, typer.Option(help="The API's address.")] = "http://127.0.0.1:8080",
    batches: Annotated[int, typer.Option(help="Batches measured.")] = 500,
    size: Annotated[int, typer.Option(help="Events a batch.")] = 100,
) -> None:
    pack = pack_named("access")
    until = time.time_ns() // 1000
    count = (WARM_UP + batches) * size
    made = load.lines(pack, count, 10_000, is_flat=False, seed=time.time_ns(), until_us=until)
    lines = [line for _, line in made]
    bodies = [b"\n".join(lines[first : first + size]) for first in range(0, count, size)]
    took_ms, incomplete = [], 0
    with httpx.Client(headers={"Content-Type": "application/x-ndjson"}, timeout=30) as client:
        for body in bodies:
            began = time.perf_counter()
            try:
                answer = client.post(f"{api}/analyze", content=body)
            except httpx.TransportError as error:
                raise SystemExit(f"no answer from {api}: {error}; `make up` starts it") from None
            took_ms.append(1000 * (time.perf_counter() - began))
            incomplete += answer.status_code != 200
    measured = sorted(took_ms[WARM_UP:])
    shown = {
        "batches": batches,
        "events_a_batch": size,
        "not_200": incomplete,
        "p50_ms": round(statistics.median(measured), 2),
        "p99_ms": round(measured[int(0.99 * (len(measured) - 1))], 2),
        "max_ms": round(measured[-1], 2),
    }
    print(json.dumps(shown))


if __name__ == "__main__":
    typer.run(main)
