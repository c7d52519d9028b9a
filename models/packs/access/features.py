"""What is kept about a client: how much it asks for, how that ends, and in what rhythm."""

from __future__ import annotations

from datetime import timedelta

from feature_store.columns import Columns, Mask
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
from models.packs.access.columns import POST, has

TEN_MINUTES = timedelta(minutes=10)
SHORT = (MINUTE, TEN_MINUTES, HOUR)
LONG = (TEN_MINUTES, HOUR, DAY)
ALL = (MINUTE, TEN_MINUTES, HOUR, DAY)

COUNT, DISTINCT, SHARE = Aggregate.COUNT, Aggregate.DISTINCT, Aggregate.SHARE
SUM, MEAN, STD = Aggregate.SUM, Aggregate.MEAN, Aggregate.STD


def is_error(event: Columns) -> Mask:
    """Answered with a client error, 4xx."""
    mask: Mask = (event.status >= 400) & (event.status < 500)
    return mask


def is_fault(event: Columns) -> Mask:
    """Answered with a server error, 5xx and beyond."""
    mask: Mask = event.status >= 500
    return mask


def is_denied(event: Columns) -> Mask:
    """Answered with 401 or 403."""
    mask: Mask = (event.status == 401) | (event.status == 403)
    return mask


def is_login(event: Columns) -> Mask:
    """A POST to a path where people log in, however it was answered: many sites answer 200."""
    mask: Mask = (event.method == POST) & has(event, "login")
    return mask


def is_probe(event: Columns) -> Mask:
    """Asks in vain for software or files that a site does not have."""
    mask: Mask = (has(event, "probe") | has(event, "secret")) & (event.status >= 400)
    return mask


def is_page(event: Columns) -> Mask:
    """Anything but an image, a script, a style sheet or a font."""
    return ~has(event, "asset")


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
        *over_windows("client_probes", COUNT, LONG, where="probe"),
        *over_windows("client_errors", SHARE, LONG, where="error"),
        *over_windows("client_logins", SHARE, (HOUR,), where="login"),
        *over_windows("client_pages", SHARE, (TEN_MINUTES, HOUR), where="page"),
        *over_windows("client_paths", DISTINCT, ALL, value="path"),
        *over_windows("client_missing", DISTINCT, LONG, value="path", where="error"),
        *over_windows("client_agents", DISTINCT, (HOUR, DAY), value="user_agent"),
        *over_windows("client_bytes", SUM, (TEN_MINUTES, HOUR), value="bytes"),
        *over_windows("client_gap", MEAN, (TEN_MINUTES, HOUR), value=GAP),
        *over_windows("client_gap", STD, (TEN_MINUTES, HOUR), value=GAP),
    ),
)
