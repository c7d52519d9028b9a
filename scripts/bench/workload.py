"""The events that all contenders are given, and the forest that all evaluate: made once, kept."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from sklearn.ensemble import IsolationForest

from models.catalog import pack_named
from models.forest import to_onnx
from scripts.bench import cards, load, statuses
from scripts.bench.contenders.contender import home_of
from scripts.bench.contenders.j1 import State, fold, is_valid, new_state
from scripts.bench.messy import messy

SEED = 7
CLIENTS = 10_000
HOT = 0.3
"""The share of `hot`'s one client."""
UNTIL_US = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
SAMPLES = 20_000
LOG_LINES = 200_000


@dataclass(frozen=True, slots=True)
class Workload:
    """Events, as lines `client<TAB>event` in a file.

    Args:
        sha256: Of the file.
        log: The first 200,000 of them in Combined Log Format; of `zipf` alone.
        samples: The job's rows of the first 20,000 events, `(n, 3)` float32; the forest's data.
        model: The forest, as fused ONNX.
    """

    name: str
    events: int
    file: Path
    sha256: str
    log: Path
    samples: Path
    model: Path

    def lines(self, first: int | None = None) -> Iterator[tuple[str, bytes]]:
        """(client, event) in the order of arrival; the first so many, or all."""
        with self.file.open("rb") as file:
            for line in islice(file, first):
                client, _, event = line.rstrip(b"\n").partition(b"\t")
                yield client.decode(), event


def workload(name: str, events: int) -> Workload:
    """One of `LINES`; made if it is not there yet.

    Raises:
        NotHad: The data that it is made of is not there.
    """
    folder = home_of("data")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{events}-{CLIENTS}.tsv"
    if not file.exists():
        _write(file, LINES[name](events))
    log, samples, model = (folder / f"{file.stem}{end}" for end in (".log", ".npy", ".onnx"))
    digest = hashlib.file_digest(file.open("rb"), "sha256").hexdigest()
    made = Workload(name, events, file, digest, log, samples, model)
    if not model.exists():
        _fit(made)
    if name == "zipf" and not log.exists():
        _write_log(made)
    return made


def event_of(line: bytes) -> dict[str, Any] | None:
    """None where the line is no event of job J1."""
    try:
        event = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return None
    return event if is_valid(event) else None


def _access(events: int, *, is_flat: bool = False, hot: float = 0.0) -> Iterator[tuple[str, bytes]]:
    pack = pack_named("access")
    return load.lines(pack, events, CLIENTS, is_flat=is_flat, seed=SEED, until_us=UNTIL_US, hot=hot)


LINES: Mapping[str, Callable[[int], Iterator[tuple[str, bytes]]]] = {
    "zipf": _access,
    "flat": partial(_access, is_flat=True),
    "hot": partial(_access, hot=HOT),
    "messy": lambda events: messy(_access(events), SEED),
    "cards": lambda events: islice(cards.lines(), events),
    "statuses": partial(statuses.lines, seed=SEED, until_us=UNTIL_US),
}


def _write(file: Path, made: Iterator[tuple[str, bytes]]) -> None:
    arriving = file.with_suffix(".arriving")
    with arriving.open("wb") as out:
        out.writelines(client.encode() + b"\t" + line + b"\n" for client, line in made)
    arriving.rename(file)


def _fit(made: Workload) -> None:
    states: dict[str, State] = {}
    rows = [
        fold(states.setdefault(client, new_state()), event)
        for client, line in made.lines(SAMPLES)
        if (event := event_of(line))
    ]
    samples = np.array(rows, np.float32)
    np.save(made.samples, samples)
    forest = IsolationForest(n_estimators=100, random_state=SEED).fit(samples)
    made.model.write_bytes(to_onnx(forest, samples.shape[1]))


def _write_log(made: Workload) -> None:
    with made.log.open("w") as out:
        out.writelines(_combined(msgspec.json.decode(line)) for _, line in made.lines(LOG_LINES))


def _combined(event: dict[str, Any]) -> str:
    at = datetime.fromisoformat(event["occurred_at"]).strftime("%d/%b/%Y:%H:%M:%S %z")
    request = f"{event['method']} {event['path']} HTTP/1.1".replace('"', "%22")
    size, status = event.get("bytes", 0) or "-", event["status"]
    texts = f'"{event.get("referrer", "-")}" "{event.get("user_agent", "-")}"'
    return f'{event["client_ip"]} - - [{at}] "{request}" {status} {size} {texts}\n'


if __name__ == "__main__":
    began = time.perf_counter()
    print(workload("zipf", 300_000), time.perf_counter() - began)
