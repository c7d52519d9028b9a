"""What a score is made of: how far it falls when one feature is as usual, each in its turn."""

from __future__ import annotations

import numpy as np

from feature_store.columns import Columns
from models.artifacts import Champion, model_rows
from models.contracts import Contribution

LARGEST = 5


def contributions(
    champion: Champion, feature: Columns, event: Columns, most: int = LARGEST
) -> tuple[Contribution, ...]:
    """The features that raise one event's score, the largest fall of the raw score first.

    This is occlusion, or leave-one-out: each feature alone is replaced by its median, and the
    model judges again. Features that matter only together are each found to matter little, and
    those that say the same cover for one another, so the contributions need not add up to anything.
    A feature that was unknown is judged as its median anyway and never appears.

    Args:
        feature: The event's windowed features, one row.
        event: The event's columns, one row.

    References:
        Covert, Lundberg and Lee, Explaining by Removing (2021), JMLR 22(209), section 4.
    """
    names, calibration = champion.manifest.features, champion.manifest.calibration
    [seen] = model_rows(champion.manifest, feature, event)
    usual = np.array([champion.manifest.statistics[name].median for name in names], np.float32)
    rows = np.repeat(seen[np.newaxis], len(names) + 1, axis=0)
    np.fill_diagonal(rows[1:], usual)
    raw = champion.forest.score(rows)
    score = np.interp(raw, calibration.raw, calibration.score)
    falls = np.round(np.column_stack([score[0] - score[1:], raw[0] - raw[1:]]), 6)
    told = zip(names, seen.tolist(), usual.tolist(), *falls.T.tolist(), strict=True)
    found = [Contribution(*each) for each in told]
    found.sort(key=lambda one: -one.raw)
    return tuple(one for one in found[:most] if one.raw > 0)
