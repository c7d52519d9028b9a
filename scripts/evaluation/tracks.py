"""What an evaluation lets the pipeline see: everything, behaviour alone, or paths of one site."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from posixpath import dirname

from msgspec.structs import replace
from xxhash import xxh3_64_hexdigest

from models.packs.access.columns import agent_has, columns
from models.packs.access.events import AccessEvent
from models.packs.access.features import is_page
from scripts.evaluation.logs import Traffic
from scripts.evaluation.protocol import Track

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
"""Everybody's, where the user agent is to say nothing."""

REFERRER = "http://site.example/"

Pair = tuple[Traffic, list[Traffic]]


def seen_by(track: Track, background: Traffic, attacks: Sequence[Traffic], seed: int) -> Pair:
    """The background and the attacks as the track shows them."""
    return _TRACKS[track](background, [without_tools(attack) for attack in attacks], seed)


def without_tools(attack: Traffic) -> Traffic:
    """Blanks the user agents that name an attack tool: no serious attacker sends them."""
    named = agent_has(columns(attack.events), "tool").tolist()
    return _with(
        attack,
        (
            replace(event, user_agent="") if tool else event
            for event, tool in zip(attack.events, named, strict=True)
        ),
    )


def _full(background: Traffic, attacks: list[Traffic], seed: int) -> Pair:
    return background, attacks


def _behaviour(background: Traffic, attacks: list[Traffic], seed: int) -> Pair:
    return _opaque(background), [_opaque(attack) for attack in attacks]


def _opaque(given: Traffic) -> Traffic:
    """A token for each different path, one user agent for all, and whether there is a referrer.

    What is left of a path is whether it is a page or a part of one, which what a browser fetches
    tells anyhow: `/p/<hash>` or `/p/<hash>.png`. Tokens are all equally long.
    """
    kinds = [".htm" if page else ".png" for page in is_page(columns(given.events)).tolist()]
    return _with(
        given,
        (
            replace(
                event,
                path=f"/p/{xxh3_64_hexdigest(event.path.encode())}{kind}",
                user_agent=AGENT,
                referrer=REFERRER if event.referrer else "",
            )
            for event, kind in zip(given.events, kinds, strict=True)
        ),
    )


def _rerooted(background: Traffic, attacks: list[Traffic], seed: int) -> Pair:
    """Attack paths moved onto the background's own.

    What an attack found (below 400) becomes a page that the background has; what it did not find
    keeps its last part, in a folder of the background. Queries stay, and so do requests that are
    no paths.
    """
    chance = random.Random(seed)
    found = {_bare(event) for event in background.events if event.status == 200}
    pages = sorted(path for path in found if path.startswith("/"))
    folders = sorted({dirname(path).rstrip("/") for path in pages})
    if not pages:
        return background, attacks
    return background, [_on(attack, pages, folders, chance) for attack in attacks]


def _on(
    attack: Traffic, pages: Sequence[str], folders: Sequence[str], chance: random.Random
) -> Traffic:
    found = {_bare(event) for event in attack.events if event.status < 400}
    moved: dict[str, str] = {}
    for path in sorted({_bare(event) for event in attack.events}):
        if not path.startswith("/"):
            moved[path] = path
        elif path in found:
            moved[path] = chance.choice(pages)
        else:
            moved[path] = f"{chance.choice(folders)}/{_last(path)}"
    return _with(attack, (replace(event, path=_at(event, moved)) for event in attack.events))


def _at(event: AccessEvent, moved: dict[str, str]) -> str:
    bare = _bare(event)
    return moved[bare] + event.path[len(bare) :]


def _bare(event: AccessEvent) -> str:
    return event.path.partition("?")[0]


def _last(path: str) -> str:
    """A path's last part, with the slash behind it if there is one."""
    return path.rstrip("/").rpartition("/")[2] + "/" * path.endswith("/")


def _with(given: Traffic, events: Iterable[AccessEvent]) -> Traffic:
    return Traffic(given.name, list(events), given.at, given.lines)


_TRACKS: dict[Track, Callable[[Traffic, list[Traffic], int], Pair]] = {
    Track.FULL: _full,
    Track.BEHAVIOUR: _behaviour,
    Track.REROOTED: _rerooted,
}
