"""The pipeline in one process: one action an event, and those that the offline fold comes to."""

from __future__ import annotations

import numpy as np

from feature_store.columns import Columns
from feature_store.offline import features_of
from models.artifacts import Champion
from models.contracts import Action
from models.judging import judge
from models.packs.access import PACK
from scripts.evaluation import embedded
from scripts.evaluation.figures import level_of
from tests.unit.scripts.evaluation.simulated import day


def test_every_event_has_the_score_and_earns_the_action_of_the_offline_fold(
    champion: Champion,
) -> None:
    """A block that holds may add to what an event earns by itself."""
    events = sorted([*day()[0], *day()[1]], key=lambda event: event.occurred_at)
    event = PACK.columns(events)
    feature = Columns.of_matrix(PACK.features.names, features_of(PACK.features, event))
    levels = np.array([int(rule.severity) for rule in PACK.rules])
    score, fired = judge(PACK, champion, feature, event)
    severity = (fired * levels).max(axis=1)
    earned = PACK.policy.actions(score, severity)

    taken = {each.event_id: each for each in embedded.run(PACK, champion, events).actions}

    assert len(taken) == len(events)
    assert [taken[each.event_id].score for each in events] == score.tolist()
    assert all(level_of(taken[e.event_id]) >= a for e, a in zip(events, earned, strict=True))
    assert {level_of(taken[e.event_id]) for e, a in zip(events, earned, strict=True) if not a} <= {
        Action.ALLOW,
        Action.BLOCK,
    }
    assert earned.max() == Action.BLOCK


def test_a_clients_actions_come_in_the_order_of_its_events(champion: Champion) -> None:
    events = day()[1]

    run = embedded.run(PACK, champion, events)

    assert [taken.event_id for taken in run.actions] == [event.event_id for event in events]
