"""A small stream with attacks in each of its windows, for the tests of training."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from models.dataset import Dataset, simulated
from models.packs.access import PACK

SEED, EVENTS = 5, 3_000


@cache
def small() -> Dataset:
    return simulated(PACK, SEED, EVENTS)


def labelled(share: float) -> Dataset:
    """The small stream, its truth given away for every n-th event."""
    data = small()
    given = np.full(len(data), np.nan)
    every = round(1 / share)
    given[::every] = data.truth[::every]
    return replace(data, given=given)
