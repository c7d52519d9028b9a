"""The reasons that come with an answer other than allow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from feature_store.columns import Floats, Mask
from models.artifacts import Champion
from models.contracts import Reason
from models.packs.access import PACK
from models.reasons import MOST_FEATURES, UNUSUAL_TOGETHER, Explainer, words
from tests.unit.models.packs.access.judging import request

NAMES = PACK.features.names
RULES = [rule.name for rule in PACK.rules]


def features(**known: float) -> Floats:
    row = np.full(len(NAMES), np.nan)
    for name, value in known.items():
        row[NAMES.index(name)] = value
    return row


def fired(*rules: str) -> Mask:
    return np.array([name in rules for name in RULES], np.bool_)


def reasons_of(
    champion: Champion, found: Floats, which: Mask, path: str = "/"
) -> tuple[Reason, ...]:
    """One event's reasons, asked for among others that have none of them."""
    nothing = features()
    rows, rules = np.stack([nothing, found]), np.stack([fired(), which])
    event = PACK.columns([request("/"), request(path)])
    _, reasons = Explainer(PACK, champion).reasons(rows, rules, event, np.arange(2))
    return reasons


@pytest.mark.parametrize(
    ("feature", "text"),
    [
        ("client_requests_count_1m", "requests in 1 min"),
        ("client_paths_distinct_10m", "different paths in 10 min"),
        ("client_errors_share_24h", "share of errors in 24 h"),
        ("client_gap_mean_1h", "mean gap in 1 h"),
        ("client_bytes_sum_1h", "sum of bytes in 1 h"),
    ],
)
def test_a_feature_reads_as_words(feature: str, text: str) -> None:
    [declared] = [each for each in PACK.features.features if each.name == feature]

    assert words(PACK.features, declared) == text


def test_a_rule_over_text_gives_its_text(champion: Champion) -> None:
    [reason] = reasons_of(champion, features(), fired("sql_injection"))

    assert (reason.code, reason.value) == ("sql_injection", None)
    assert reason.text == "the request carries a piece of SQL"


def test_a_rule_over_a_feature_quotes_its_value_and_the_usual(champion: Champion) -> None:
    found = features(client_requests_count_1m=700)
    [reason] = reasons_of(champion, found, fired("request_flood"))

    usual = champion.usual("client_requests_count_1m")
    assert usual is not None
    assert (reason.value, reason.usual) == (700, usual.median)
    assert reason.text.endswith(f": requests in 1 min: 700, usual {usual.median:.6g}")


def test_rules_come_in_the_packs_order_and_before_features(champion: Champion) -> None:
    found = features(client_requests_count_24h=1e6)
    reasons = reasons_of(champion, found, fired("path_traversal", "sql_injection"))

    codes = [reason.code for reason in reasons]
    assert codes == ["sql_injection", "path_traversal", "client_requests_count_24h"]


def test_the_features_that_stand_out_most_are_named_and_no_more(champion: Champion) -> None:
    loud = {name: (champion.usual(name) or pytest.fail(name)).max * 50 + 50 for name in NAMES}
    reasons = reasons_of(champion, features(**loud), fired())

    assert len(reasons) == MOST_FEATURES


def test_what_is_usual_or_unknown_is_not_named(champion: Champion) -> None:
    usual = {name: (champion.usual(name) or pytest.fail(name)).median for name in NAMES[::2]}

    assert reasons_of(champion, features(**usual), fired()) == (UNUSUAL_TOGETHER,)


def test_a_rule_over_the_text_model_quotes_what_is_loudest(champion: Champion) -> None:
    path = "/item?page=2&id=7%27%20or%20%271%27=%271%1b&sort=price"
    [reason] = reasons_of(champion, features(), fired("payload_injection"), path)

    assert reason.text.startswith("a part of the request is written like an attack: ")
    assert "' or '1'='1\\x1b" in reason.text
    assert "page" not in reason.text


def test_without_a_text_model_the_rule_gives_its_text_alone(champion: Champion) -> None:
    mute = replace(champion, text=None)
    [reason] = reasons_of(mute, features(), fired("payload_injection"), "/?id=1%27%20or%201=1")

    assert reason.text == "a part of the request is written like an attack"
