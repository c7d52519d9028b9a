"""The detectors that could judge a pack's events, compared on its validation window.

All are fitted on the training window, without labels; the labels only count the hits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.metrics import average_precision_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from feature_store.columns import Floats
from models.artifacts import Manifest, model_rows
from models.dataset import Dataset
from models.detectors import EmpiricalTails, LocalDensity, Mixture, StreamingTrees
from models.forest import to_onnx
from models.fused import FusedForest
from models.training import TREES, fit_forest

ALERTED_SHARE = 0.005
OTHER_SIZES = tuple(trees for trees in (32, 50, 64, 100, 200) if trees != TREES)
"""Of the forest, in trees: fewer are served faster, more depend less on the seed."""
COMPONENTS = 8
SMALLEST_VARIANCE = 1e-3

T = TypeVar("T")


class Compared(msgspec.Struct, frozen=True):
    """One detector on the validation window.

    Args:
        average_precision: None where the window's truth is not known.
        precision: Of the share of the events that it would alert first, likewise.
        agreement: Which share of those the shipped forest alerts too.
        fit_s: Seconds to fit it.
        us_an_event: Microseconds to score an event, many at once.
    """

    name: str
    average_precision: float | None
    precision: float | None
    agreement: float
    fit_s: float
    us_an_event: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A detector: `make(seed)` is a pipeline with `fit` and `score_samples`, high for the usual."""

    name: str
    make: Callable[[int], Pipeline]


def shrunk(rows: Floats) -> Floats:
    """Counts and sums brought together: the sign times log(1 + |value|)."""
    shrunk: Floats = np.sign(rows) * np.log1p(np.abs(rows))
    return shrunk


def scaled(scaler: Any, detector: Any) -> Pipeline:
    """Unknown values become medians, then all is shrunk and scaled, as of the training window."""
    return make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        FunctionTransformer(shrunk),
        scaler,
        detector,
    )


PEERS = (
    Candidate("local outlier factor", lambda seed: scaled(StandardScaler(), LocalDensity(seed))),
    Candidate(
        "Gaussian mixture",
        lambda seed: scaled(
            StandardScaler(),
            Mixture(COMPONENTS, reg_covar=SMALLEST_VARIANCE, random_state=seed),
        ),
    ),
    Candidate("empirical tails (ECOD)", lambda seed: scaled(StandardScaler(), EmpiricalTails())),
    Candidate("half-space trees", lambda seed: scaled(MinMaxScaler(), StreamingTrees(seed))),
)


def compared(data: Dataset, manifest: Manifest, seed: int) -> Iterator[Compared]:
    """The shipped forest first, then others of its kind, then its peers, as they are done."""
    shipped = _forest(data, manifest, seed, TREES)
    alerted = _first(shipped.usual)
    yield _compared(data, shipped, alerted)
    for trees in OTHER_SIZES:
        yield _compared(data, _forest(data, manifest, seed, trees), alerted)
    for peer in PEERS:
        yield _compared(data, _peer(peer, data, manifest, seed), alerted)


@dataclass(frozen=True, slots=True)
class _Run:
    """What a detector made of the validation window, `(n_validated,)`, and at what cost."""

    name: str
    usual: Floats
    fit_s: float
    score_s: float


def _forest(data: Dataset, manifest: Manifest, seed: int, trees: int) -> _Run:
    rows = model_rows(manifest, data.feature, data.event)

    def fit() -> FusedForest:
        forest = fit_forest(rows[data.windows.train], seed, trees)
        return FusedForest(to_onnx(forest, rows.shape[1]))

    fused, fit_s = _timed(fit)
    raw, score_s = _timed(lambda: fused.score(rows[data.windows.validation]))
    return _Run(f"isolation forest, {trees} trees", -raw, fit_s, score_s)


def _peer(peer: Candidate, data: Dataset, manifest: Manifest, seed: int) -> _Run:
    rows = known_rows(manifest, data)
    pipeline = peer.make(seed)
    _, fit_s = _timed(lambda: pipeline.fit(rows[data.windows.train]))
    usual, score_s = _timed(lambda: pipeline.score_samples(rows[data.windows.validation]))
    return _Run(peer.name, usual, fit_s, score_s)


def known_rows(manifest: Manifest, data: Dataset) -> NDArray[np.float64]:
    """What a model may see, `(n_events, n_features)`, the unknown as NaN."""
    windowed = set(data.feature)
    columns = [
        getattr(data.feature if name in windowed else data.event, name)
        for name in manifest.features
    ]
    return np.column_stack(columns).astype(np.float64)


def _compared(data: Dataset, run: _Run, alerted: NDArray[np.intp]) -> Compared:
    truth = data.truth[data.windows.validation]
    known = ~np.isnan(truth)
    labels, usual = truth[known] == 1, run.usual[known]
    is_told = bool(labels.any() and not labels.all())
    return Compared(
        run.name,
        float(average_precision_score(labels, -usual)) if is_told else None,
        float(labels[_first(usual)].mean()) if is_told else None,
        float(np.isin(_first(run.usual), alerted).mean()),
        run.fit_s,
        1e6 * run.score_s / len(truth),
    )


def _first(usual: Floats) -> NDArray[np.intp]:
    """The places of the events that would be alerted."""
    return np.argsort(usual, kind="stable")[: max(1, round(ALERTED_SHARE * len(usual)))]


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    done = work()
    return done, time.perf_counter() - began
