"""The forest as one fused ONNX graph, beside scikit-learn and skl2onnx: `-m scripts.bench.model`.

The same fitted forest, 100 trees over 12 features, evaluated on 1, 100 and 1,000 rows. skl2onnx
converts it in an environment of its own; its graph is run here, by the same ONNX Runtime.
"""

from __future__ import annotations

import pickle
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from models.forest import to_onnx
from models.fused import FusedForest
from scripts.bench.command import command
from scripts.bench.contenders.contender import NotHad, home_of, pinned, python_of
from scripts.stack.settings import ROOT

REQUIREMENTS = Path(__file__).parent / "contenders" / "skl2onnx_forest" / "requirements.txt"
FEATURES, FITTED_ON, ROUNDS = 12, 20_000, 3
SEED = 7
LOOK_S = 0.002
Score = Callable[[NDArray[np.float32]], object]


def run(quick: bool) -> dict[str, object]:
    rng = np.random.default_rng(SEED)
    rows = rng.lognormal(1.0, 1.0, (FITTED_ON, FEATURES)).astype(np.float32)
    forest = IsolationForest(n_estimators=100, random_state=SEED).fit(rows)
    graph = to_onnx(forest, FEATURES)
    fused, session = FusedForest(graph), _session(graph)
    ways: dict[str, Score] = {
        "fused": fused.score,
        "fused, by ONNX Runtime": lambda part: session.run(None, {"row": part}),
        "scikit-learn": lambda part: -forest.score_samples(part),
    }
    found: dict[str, object] = {"versions": {"scikit-learn": version("scikit-learn")}}
    if not quick:
        found |= _beside_skl2onnx(forest, ways)
    sizes = (1, 100) if quick else (1, 100, 1000)
    found["us_a_call"] = {
        str(n): _interleaved(ways, rows[:n], 0.3 if quick else 0.6) for n in sizes
    }
    difference = np.abs(fused.score(rows[:5000]) + forest.score_samples(rows[:5000]))
    return found | {"greatest_difference": float(difference.max()), "rounds": ROUNDS}


def _beside_skl2onnx(forest: IsolationForest, ways: dict[str, Score]) -> dict[str, object]:
    """Adds its way, where it can be had."""
    try:
        session, nodes = _converted(forest)
    except NotHad as error:
        return {"skipped": str(error)}
    ways["skl2onnx"] = lambda part: session.run(None, {"X": part})
    return {"skl2onnx_nodes": nodes, "versions": dict(pinned(REQUIREMENTS))}


def _interleaved(ways: dict[str, Score], rows: NDArray[np.float32], seconds: float) -> object:
    """Microseconds a call of each, medians over rounds; and the ratios to the fused one."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, score in ways.items():
            took[name].append(_median_us(score, rows, seconds))
    medians = {name: round(float(np.median(each)), 2) for name, each in took.items()}
    spread = {name: [round(min(each), 2), round(max(each), 2)] for name, each in took.items()}
    ratios = {name: round(us / medians["fused"], 1) for name, us in medians.items()}
    return {"median": medians, "range": spread, "times_fused": ratios}


def _median_us(score: Score, rows: NDArray[np.float32], seconds: float) -> float:
    """Of this thread's CPU time, so that a busy machine disturbs it little; a few calls a look."""
    began = time.perf_counter()
    score(rows)
    calls = max(1, int(LOOK_S / (time.perf_counter() - began)))
    took = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        since = time.thread_time_ns()
        for _ in range(calls):
            score(rows)
        took.append((time.thread_time_ns() - since) / calls)
    return float(np.median(took)) / 1000


def _converted(forest: IsolationForest) -> tuple[onnxruntime.InferenceSession, int]:
    """The forest through skl2onnx, and how many nodes its graph has."""
    python, home = python_of("skl2onnx", REQUIREMENTS), home_of("skl2onnx")
    fitted, converted = home / "forest.pickle", home / "forest.onnx"
    fitted.write_bytes(pickle.dumps(forest))
    module = "scripts.bench.contenders.skl2onnx_forest.convert"
    command = [str(python), "-m", module, str(fitted), str(converted), str(FEATURES)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    if ended.returncode:
        raise NotHad(f"skl2onnx: {ended.stderr.strip().splitlines()[-1]}")
    return _session(converted.read_bytes()), len(onnx.load(str(converted)).graph.node)


def _session(graph: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    command(run, quick="1 and 100 rows alone, without skl2onnx.")
