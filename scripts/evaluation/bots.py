"""Bots among a site's sessions: what a session does as features, judged by a random forest.

The features are folded by the pipeline's kernel, over all requests of a session and over its
pages alone. User agent and date are no features: each alone tells the published bots apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from feature_store.columns import Columns, Floats, Mask
from feature_store.definitions import (
    DAY,
    GAP,
    Aggregate,
    Distinct,
    FeatureSet,
    Filter,
    Value,
    WindowFeature,
)
from feature_store.offline import features_of
from models.errors import InvalidSource
from models.packs.access.columns import METHODS, columns
from models.packs.access.events import AccessEvent
from models.packs.access.features import is_page
from scripts.evaluation.logs import Traffic, digest_of
from scripts.evaluation.report import LIBRARIES

GET, POST = METHODS.index("GET") + 1, METHODS.index("POST") + 1
HUMAN = "human"
TREES = 300
LEFT_OUT = -1.0
"""Stands for the unknown: a session without pages, or of one request."""

RHYTHM = (
    WindowFeature("session_gap_mean_24h", Aggregate.MEAN, DAY, GAP),
    WindowFeature("session_gap_std_24h", Aggregate.STD, DAY, GAP),
    WindowFeature("session_gap_max_24h", Aggregate.MAX, DAY, GAP),
)
CONTENT = (
    WindowFeature("session_requests_count_24h", Aggregate.COUNT, DAY),
    WindowFeature("session_paths_distinct_24h", Aggregate.DISTINCT, DAY, "path"),
    WindowFeature("session_bytes_sum_24h", Aggregate.SUM, DAY, "bytes"),
    WindowFeature("session_path_length_mean_24h", Aggregate.MEAN, DAY, "path_length"),
    WindowFeature("session_path_length_std_24h", Aggregate.STD, DAY, "path_length"),
)
KINDS = (
    WindowFeature("session_posts_share_24h", Aggregate.SHARE, DAY, where="post"),
    WindowFeature("session_pages_share_24h", Aggregate.SHARE, DAY, where="page"),
)


def is_shown(event: Columns) -> Mask:
    """A page that somebody looks at."""
    mask: Mask = is_page(event) & (event.method == GET)
    return mask


def declared(features: Sequence[WindowFeature]) -> FeatureSet:
    return FeatureSet(
        entity="session",
        key="client_ip",
        features=tuple(features),
        values=(
            Value("bytes", lambda event: event.bytes),
            Value("path_length", lambda event: event.path_bytes),
        ),
        filters=(Filter("post", lambda event: event.method == POST), Filter("page", is_page)),
        distincts=(Distinct("path", lambda event: event.path),),
    )


ALL_REQUESTS = declared((*CONTENT, *KINDS, *RHYTHM))
PAGES_ALONE = declared((*CONTENT, *RHYTHM))


class Bots(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; AUC and F1 are a mean and a standard deviation over the seeds.

    Args:
        sessions: Those of the logs that are labelled.
        unlabelled: Sessions of the logs without a label, left out.
    """

    sessions: int
    bots: int
    unlabelled: int
    features: int
    folds: int
    seeds: int
    auc: tuple[float, float]
    f1: tuple[float, float]
    data_sha256: str
    versions: dict[str, str]


def judged(logs: Sequence[Traffic], labels: Mapping[str, str], folds: int, seeds: int) -> Bots:
    """Cross-validates over sessions, each seed with folds and a forest of its own.

    Raises:
        InvalidSource: A kind of session is rarer than there are folds.
    """
    seen = {event.client_ip for log in logs for event in log.events}
    sessions = sorted(seen & labels.keys())
    is_bot = np.array([labels[session] != HUMAN for session in sessions], np.bool_)
    if min(is_bot.sum(), (~is_bot).sum()) < folds:
        raise InvalidSource(
            f"labels: {folds} folds need as many sessions of each kind,"
            f" got {is_bot.sum()} bots and {(~is_bot).sum()} humans"
        )
    events = [event for log in logs for event in log.events if event.client_ip in labels]
    rows = session_rows(events, sessions)
    figures = [_scores(rows, is_bot, folds, seed) for seed in range(seeds)]
    auc, f1 = np.array(figures).T
    return Bots(
        sessions=len(sessions),
        bots=int(is_bot.sum()),
        unlabelled=len(seen - labels.keys()),
        features=rows.shape[1],
        folds=folds,
        seeds=seeds,
        auc=_mean_and_deviation(auc),
        f1=_mean_and_deviation(f1),
        data_sha256=digest_of(logs),
        versions={name: version(name) for name in LIBRARIES},
    )


def session_rows(events: Sequence[AccessEvent], sessions: Sequence[str]) -> Floats:
    """Features as of each session's last request, and of its last page, `(n_sessions, 18)`."""
    shown = is_shown(columns(events)).tolist()
    pages = [event for event, is_it in zip(events, shown, strict=True) if is_it]
    return np.hstack([_last(ALL_REQUESTS, events, sessions), _last(PAGES_ALONE, pages, sessions)])


def labels_of(files: Sequence[Path]) -> dict[str, str]:
    """Session to its kind, `human` or another word for a bot, from lines of the two words.

    Raises:
        InvalidSource: A file cannot be read, or a line is not two words.
    """
    labels = {}
    for file in files:
        for number, line in enumerate(_lines(file), 1):
            words = line.split()
            if len(words) != 2:
                raise InvalidSource(f"{file}: line {number} must be a session and a kind: {line!r}")
            labels[words[0]] = words[1]
    return labels


def _lines(file: Path) -> list[str]:
    try:
        return [line for line in file.read_text().splitlines() if line.strip()]
    except OSError as error:
        raise InvalidSource(f"{file}: {error.strerror}") from error


def _last(features: FeatureSet, events: Sequence[AccessEvent], sessions: Sequence[str]) -> Floats:
    rows = features_of(features, columns(events))
    place = {event.client_ip: number for number, event in enumerate(events)}
    known = np.full((len(sessions), len(features.features)), np.nan)
    for i, session in enumerate(sessions):
        if session in place:
            known[i] = rows[place[session]]
    return np.where(np.isfinite(known), known, LEFT_OUT)


def _scores(rows: Floats, is_bot: NDArray[np.bool_], folds: int, seed: int) -> tuple[float, float]:
    forest = RandomForestClassifier(TREES, random_state=seed)
    cut = StratifiedKFold(folds, shuffle=True, random_state=seed)
    chance = cross_val_predict(forest, rows, is_bot, cv=cut, method="predict_proba")[:, 1]
    return float(roc_auc_score(is_bot, chance)), float(f1_score(is_bot, chance >= 0.5))


def _mean_and_deviation(figures: Floats) -> tuple[float, float]:
    return round(float(figures.mean()), 4), round(float(figures.std()), 4)
