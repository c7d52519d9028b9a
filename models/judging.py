"""What a pack's model and rules say of events whose features are known."""

from __future__ import annotations

import numpy as np

from feature_store.columns import Columns, Floats, Mask
from models.artifacts import Champion
from models.pack import DomainPack
from models.rules import fire
from models.text_model import text_scores

DECIMALS = 6
"""Of a score on the wire; the policy's thresholds are held against the rounded one."""


def judge(
    pack: DomainPack, champion: Champion, feature: Columns, event: Columns
) -> tuple[Floats, Mask]:
    """Each event's score, `(n_events,)`, and which rules fired, `(n_events, n_rules)`."""
    score = np.round(champion.score(feature, event), DECIMALS)
    return score, fire(pack.rules, with_text(pack, champion, event), feature)


def with_text(pack: DomainPack, champion: Champion, event: Columns) -> Columns:
    """The columns with what the text model makes of them; unknown (NaN) without one."""
    if pack.text is None:
        return event
    if champion.text is None:
        return event.with_columns(payload_score=np.full(len(event), np.nan))
    texts = getattr(event, pack.text)
    return event.with_columns(payload_score=text_scores(texts, champion.text))
