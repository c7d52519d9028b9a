"""What each track leaves of a request."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from models.packs.access.columns import agent_has, columns, has
from models.packs.access.events import AccessEvent
from models.packs.access.features import is_page
from models.packs.access.patterns import PATHS
from scripts.evaluation.logs import Traffic
from scripts.evaluation.protocol import Track
from scripts.evaluation.tracks import seen_by
from tests.unit.models.packs.access.judging import request


def traffic(*events: AccessEvent) -> Traffic:
    return Traffic("x", events, np.arange(len(events)), range(1, len(events) + 1))


SITE = traffic(request("/blog/a?x=1"), request("/blog/b"), request("/"), request("/a.png"))
SCAN = traffic(
    request("/dvwa/login.php?id=1%27--", status=200, agent="sqlmap/1.7"),
    request("/dvwa/.git/config", status=404),
    request("/dvwa/admin/", status=404),
    request("*", method="OPTIONS"),
)


def test_a_tools_name_is_blanked_in_every_track() -> None:
    _, [scan] = seen_by(Track.FULL, SITE, [SCAN], 7)

    assert [event.user_agent == "" for event in scan.events] == [True, False, False, False]
    assert [replace(e, user_agent="") for e in scan.events] == [
        replace(e, user_agent="") for e in SCAN.events
    ]


def test_behaviour_shows_neither_paths_nor_agents() -> None:
    site, [scan] = seen_by(Track.BEHAVIOUR, SITE, [SCAN], 7)

    seen = columns([*site.events, *scan.events])
    assert len({event.user_agent for event in (*site.events, *scan.events)}) == 1
    assert len(np.unique(seen.path_bytes)) == 1
    groups = {name for name in PATHS.groups if has(seen, name).any()}
    assert groups == {"asset"}
    assert not agent_has(seen, "tool").any()


def test_behaviour_keeps_which_paths_are_the_same_and_which_are_pages() -> None:
    again = replace(SITE.events[0], status=404)
    site, _ = seen_by(Track.BEHAVIOUR, traffic(*SITE.events, again), [], 7)

    paths = [event.path for event in site.events]
    assert paths[0] == paths[4]
    assert len(set(paths)) == 4
    assert is_page(columns(site.events)).tolist() == [True, True, True, False, True]


def test_behaviour_keeps_whether_there_is_a_referrer() -> None:
    told = replace(request("/"), referrer="http://site.example/secret?x")
    site, _ = seen_by(Track.BEHAVIOUR, traffic(told, request("/")), [], 7)

    assert [bool(event.referrer) for event in site.events] == [True, False]
    assert "secret" not in site.events[0].referrer


def test_rerooted_attacks_ask_for_the_sites_own_pages_and_folders() -> None:
    site, [scan] = seen_by(Track.REROOTED, SITE, [SCAN], 7)
    found, hidden, folder, no_path = [event.path for event in scan.events]

    assert site is SITE
    assert found.partition("?")[0] in {"/blog/a", "/blog/b", "/", "/a.png"}
    assert found.endswith("?id=1%27--")
    assert hidden in {"/config", "/blog/config"}
    assert folder in {"/admin/", "/blog/admin/"}
    assert no_path == "*"
