"""The pipeline in one process: one action an event, and those that the offline fold comes to."""

from __future__ import annotations

import numpy as np

from feature_store.columns import Columns
from feature_store.offline import features_of
from models.artifacts import Champion
from models.packs.access import PACK
from models.rules import fire
from scripts.evaluation import embedded
from tests.unit.scripts.evaluation.simulated import day


def test_every_event_has_the_action_that_offline_features_give_it(champion: Champion) -> None:
    events = sorted([*day()[0], *day()[1]], key=lambda event: event.occurred_at)
    event = PACK.columns(events)
    feature = Columns.of_matrix(PACK.features.names, features_of(PACK.features, event))
    levels = np.array([int(rule.severity) for rule in PACK.rules])
    severity = (fire(PACK.rules, event, feature) * levels).max(axis=1)
    score = np.round(champion.score(feature, event), 6)
    expected = PACK.policy.actions(score, severity)

    run = embedded.run(PACK, champion, events)

    assert {taken.event_id: taken.action for taken in run.actions} == {
        each.event_id: ("allow", "alert", "challenge", "block")[action]
        for each, action in zip(events, expected.tolist(), strict=True)
    }
    assert len(run.actions) == len(events)
    assert expected.max() == 3


def test_a_clients_actions_come_in_the_order_of_its_events(champion: Champion) -> None:
    events = day()[1]

    run = embedded.run(PACK, champion, events)

    assert [taken.event_id for taken in run.actions] == [event.event_id for event in events]
