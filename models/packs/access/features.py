"""What is kept about a client: how much it asks for, how that ends, and in what rhythm."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cache

import numpy as np

from feature_store.columns import Columns, Mask, once
from feature_store.definitions import (
    DAY,
    GAP,
    HOUR,
    MINUTE,
    Aggregate,
    Distinct,
    FeatureSet,
    Filter,
    Value,
    over_windows,
)
from models.packs.access.columns import POST, agent_has, has

TEN_MINUTES = timedelta(minutes=10)
SHORT = (MINUTE, TEN_MINUTES, HOUR)
LONG = (TEN_MINUTES, HOUR, DAY)
ALL = (MINUTE, TEN_MINUTES, HOUR, DAY)

GONE = (404, 410, 418, 444)
"""Not there, or so says a filter before the site: those answer 418, and nginx's 444."""
REFUSED = (403, 405)
SENT_ON = (302, 303)

COUNT, DISTINCT, SHARE = Aggregate.COUNT, Aggregate.DISTINCT, Aggregate.SHARE
SUM, MEAN, STD = Aggregate.SUM, Aggregate.MEAN, Aggregate.STD


@once
def is_error(event: Columns) -> Mask:
    """Answered with a client error, 4xx."""
    mask: Mask = (event.status >= 400) & (event.status < 500)
    return mask


@once
def is_fault(event: Columns) -> Mask:
    """Answered with a server error, 5xx and beyond."""
    mask: Mask = event.status >= 500
    return mask


@once
def is_denied(event: Columns) -> Mask:
    """Answered with 401 or 403."""
    mask: Mask = (event.status == 401) | (event.status == 403)
    return mask


@once
def is_login(event: Columns) -> Mask:
    """A POST to a path where people log in, however it was answered: many sites answer 200."""
    mask: Mask = (event.method == POST) & has(event, "login")
    return mask


@once
def is_probe(event: Columns) -> Mask:
    """Asks in vain for software or files that a site does not have.

    Pictures and styles are left out: a page that has lost its own sends every visitor for them.
    So is a program's call that was only put wrongly (400).
    """
    sought = (has(event, "probe") | has(event, "secret")) & is_page(event)
    wrong = (event.status == 400) & ~has(event, "call")
    mask: Mask = sought & (answered(event, GONE) | answered(event, REFUSED) | wrong)
    return mask


@once
def is_guess(event: Columns) -> Mask:
    """Asks for a page that is not there; not for what every site is asked for, nor as a call."""
    return answered(event, GONE) & is_page(event) & ~has(event, "courtesy") & ~has(event, "call")


@once
def is_page(event: Columns) -> Mask:
    """Anything but an image, a script, a style sheet or a font."""
    return ~has(event, "asset")


@once
def is_post(event: Columns) -> Mask:
    mask: Mask = event.method == POST
    return mask


@once
def is_redirected_post(event: Columns) -> Mask:
    """A form that was taken: a browser is sent on to a page, and goes there."""
    return is_post(event) & answered(event, SENT_ON)


@once
def is_blind_post(event: Columns) -> Mask:
    """A form that says it is a browser's but not from which page: browsers do."""
    mask: Mask = is_post(event) & (event.referrer_length == 0) & agent_has(event, "browser")
    return mask & ~has(event, "call")


def answered(event: Columns, statuses: Sequence[int]) -> Mask:
    """Requests answered with one of the statuses."""
    # Past the table's ends is its first or last place, which are no statuses.
    mask: Mask = _table(tuple(statuses)).take(event.status, mode="clip")
    return mask


@cache
def _table(statuses: tuple[int, ...]) -> Mask:
    """By status, whether it is one of these."""
    table = np.zeros(1001, np.bool_)
    table[list(statuses)] = True
    return table


FEATURES = FeatureSet(
    entity="client",
    key="client_ip",
    capacity=64,
    distinct_capacity=128,
    values=(Value("bytes", lambda event: event.bytes),),
    filters=(
        Filter("error", is_error),
        Filter("fault", is_fault),
        Filter("denied", is_denied),
        Filter("login", is_login),
        Filter("probe", is_probe),
        Filter("page", is_page),
        Filter("guess", is_guess),
        Filter("post", is_post),
        Filter("redirected_post", is_redirected_post),
        Filter("blind_post", is_blind_post),
    ),
    distincts=(
        Distinct("path", lambda event: event.path),
        Distinct("user_agent", lambda event: event.user_agent),
    ),
    features=(
        *over_windows("client_requests", COUNT, ALL),
        *over_windows("client_errors", COUNT, ALL, where="error"),
        *over_windows("client_faults", COUNT, LONG, where="fault"),
        *over_windows("client_denials", COUNT, LONG, where="denied"),
        *over_windows("client_logins", COUNT, LONG, where="login"),
        *over_windows("client_posts", COUNT, (DAY,), where="post"),
        *over_windows("client_redirected_posts", COUNT, (DAY,), where="redirected_post"),
        *over_windows("client_blind_posts", COUNT, (DAY,), where="blind_post"),
        *over_windows("client_errors", SHARE, LONG, where="error"),
        *over_windows("client_logins", SHARE, (HOUR,), where="login"),
        *over_windows("client_pages", SHARE, LONG, where="page"),
        *over_windows("client_guesses", SHARE, (DAY,), where="guess"),
        *over_windows("client_posts", SHARE, (DAY,), where="post"),
        *over_windows("client_paths", DISTINCT, ALL, value="path"),
        *over_windows("client_missing", DISTINCT, LONG, value="path", where="error"),
        *over_windows("client_guesses", DISTINCT, (DAY,), value="path", where="guess"),
        *over_windows("client_probes", DISTINCT, (DAY,), value="path", where="probe"),
        *over_windows("client_agents", DISTINCT, (HOUR, DAY), value="user_agent"),
        *over_windows("client_bytes", SUM, (TEN_MINUTES, HOUR), value="bytes"),
        *over_windows("client_gap", MEAN, (TEN_MINUTES, HOUR), value=GAP),
        *over_windows("client_gap", STD, (TEN_MINUTES, HOUR), value=GAP),
    ),
)
