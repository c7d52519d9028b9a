"""Learns from labels: boosted trees behind a pack's forest, served by the same artifact."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import (  # type: ignore[import-untyped]  # scikit-learn's own, ships no types
    threadpool_limits,
)

from feature_store.columns import Mask
from models.artifacts import Manifest, model_rows
from models.boosting import with_head
from models.dataset import Dataset
from models.errors import InvalidSource
from models.fused import FusedForest
from models.pack import DomainPack
from models.text_artifacts import TextChampion
from models.training import finished

LEAST_SHARE = 0.1
"""Of the events: with fewer labels than that, the forest alone judges."""
BEFORE = "untuned_"
"""What the names of the metrics of the forest alone begin with."""

STAGES = 60
LEAVES = 8


def tuned(
    pack: DomainPack,
    data: Dataset,
    model: bytes,
    manifest: Manifest,
    seed: int,
    text: TextChampion | None = None,
) -> tuple[bytes, Manifest]:
    """Fit a head on the training window's labels, and calibrate and measure the whole again.

    The more unlike the others the forest finds an event, the more suspicious it is, all else being
    equal: so what no label has shown is still found.

    Args:
        data: What the forest was trained on. Its labels should be drawn as its events come: labels
            of alerts alone teach that whoever is looked at attacks.
        model: The pack's forest.
        manifest: Its manifest; its metrics are kept beside the new ones.
        text: The text model that the manifest names.

    Raises:
        InvalidSource: Too few events are labelled, or one kind is not among the labelled events of
            the training window or of the windows after it.
    """
    require_labels(data)
    labelled = np.flatnonzero(~np.isnan(data.given[data.windows.train]))
    rows = model_rows(manifest, data.feature, data.event)[labelled]
    head = fit_head(rows, FusedForest(model), data.given[labelled] == 1, seed)
    untuned = msgspec.structs.replace(
        manifest,
        metrics={BEFORE + name: value for name, value in manifest.metrics.items()},
        training=msgspec.structs.replace(manifest.training, labelled=len(labelled)),
    )
    boosted = with_head(model, head)
    return boosted, finished(pack, data, boosted, untuned, text)


def require_labels(data: Dataset) -> None:
    """Raises InvalidSource where a dataset's labels are too few, or all of one kind."""
    known = ~np.isnan(data.given)
    if known.mean() < LEAST_SHARE:
        raise InvalidSource(
            f"labels: at least {LEAST_SHARE:.0%} of the events must have one,"
            f" got {known.mean():.1%} ({known.sum():,} of {len(known):,})"
        )
    for window, name in ((data.windows.train, "first 60 %"), (data.windows.later, "last 40 %")):
        labels = data.given[window][known[window]]
        attacks = int((labels == 1).sum())
        if attacks in (0, len(labels)):
            raise InvalidSource(
                f"labels: the {name} of the events must have both kinds,"
                f" got {attacks:,} attacks among {len(labels):,} labels"
            )


def fit_head(
    rows: NDArray[np.float32], forest: FusedForest, attack: Mask, seed: int
) -> HistGradientBoostingClassifier:
    seen = np.column_stack([rows, forest.score(rows).astype(np.float32)])
    head = HistGradientBoostingClassifier(
        max_iter=STAGES,
        max_leaf_nodes=LEAVES,
        l2_regularization=1.0,
        monotonic_cst=[0] * rows.shape[1] + [1],
        early_stopping=False,
        random_state=seed,
    )
    # One thread: so small a model is fitted faster, and the order of its sums is known.
    with threadpool_limits(limits=1):
        return head.fit(seen, attack)
