"""Faults at named sites: one seed decides which happen in a run, how often, and where."""

from __future__ import annotations

import random
from collections import Counter

RARE = (0.004, 0.02, 0.06)
"""Of how many passings of a site a fault happens, where it may happen in a run at all."""
MOST_DEATHS = 8
"""Processes that die at a site in one run; each costs a restart."""

DYING = (
    *("load.before", "load.after", "exchange.before", "exchange.within", "exchange.after"),
    *("emit.before", "emit.record", "emit.after", "answer.before", "answer.after"),
    *("seek.before", "seek.after", "assigned", "fetch", "next-offset"),
)
"""Where a process may die: before, within and after each step."""

FAILING = (
    *("load.request-lost", "load.reply-lost"),
    *("exchange.request-lost", "exchange.torn", "exchange.reply-lost"),
    *("emit.request-lost", "emit.torn", "emit.ack-lost"),
    *("answer.request-lost", "answer.reply-lost", "next-offset.reply-lost"),
    *("fetch.repeated", "fetch.skipped", "publish.ack-lost"),
)
"""Where a call may fail, with or without its effect, or the transport may err."""

HAPPENING = (
    *("rebalance", "process.killed", "process.stopped", "process.frozen", "process.added"),
    *("redis.tail-lost", "redis.emptied", "redis.away", "kafka.away"),
    *("events.trimmed", "decisions.trimmed", "events.recreated", "decisions.recreated"),
)
"""What happens around the processes."""

MET = (
    *("input.repeat", "input.late", "input.future", "input.malformed", "input.blank"),
    *("input.invalid", "input.poison", "input.nameless", "input.foreign", "input.silence"),
    *("state.expired", "fence.refused", "gap.alarmed", "epoch.alarmed", "process.gave-up"),
    *("record.repeated", "poison.found", "ring.full"),
)
"""What a run may meet with besides: its input, and what follows from faults."""

SITES = (*(f"die:{site}" for site in DYING), *FAILING, *HAPPENING, *MET)
"""All that some seeds must reach, or the simulation shows less than it says."""


class Chance:
    """The one source of chance of a run, and the count of what it did.

    Each run knows some faults only, so that each kind is also met without the others.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.fired = Counter[str]()
        self.is_quiet = False
        draw = self.random.random
        share = draw() * 0.7
        self._rates = {
            site: self.random.choice(RARE) if draw() < share else 0.0
            for site in (*(f"die:{site}" for site in DYING), *FAILING)
        }
        self._deaths = 0

    def hits(self, site: str) -> bool:
        """Whether the fault of a site happens now."""
        rate = self._rates[site]
        if not rate or self.is_quiet or self.random.random() >= rate:
            return False
        self.fired[site] += 1
        return True

    def may_happen(self, site: str) -> bool:
        return self._rates[site] > 0

    def kills(self, site: str) -> bool:
        """Whether the process dies at a site now."""
        if self._deaths >= MOST_DEATHS or not self.hits(f"die:{site}"):
            return False
        self._deaths += 1
        return True

    def met(self, what: str) -> None:
        self.fired[what] += 1

    def latency_s(self) -> float:
        """Of one call over the network; now and then one takes long."""
        draw = self.random.random()
        return 0.0005 + 0.01 * draw if draw < 0.97 else 3.0 * self.random.random()
