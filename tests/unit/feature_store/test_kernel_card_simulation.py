"""The kernel against pandas, on every row of a public simulation of card payments."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feature_store.columns import Columns, Floats
from feature_store.definitions import DAY, Aggregate, FeatureSet, Value, over_windows
from feature_store.offline import features_of

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("CENTINELA_DATA", ROOT.parent / "shared" / "data"))
PAYMENTS = DATA / "fraud" / "card_sim_2018-04-01_2018-05-26.csv.gz"
ROWS = 537_445
WINDOWS = (DAY, 7 * DAY, 30 * DAY)
AGGREGATES = ("count", "sum", "mean", "std", "min", "max")
CARD = FeatureSet(
    entity="customer",
    key="customer",
    features=(
        *over_windows("n", Aggregate.COUNT, WINDOWS),
        *(
            feature
            for aggregate in AGGREGATES[1:]
            for feature in over_windows("cents", Aggregate(aggregate), WINDOWS, value="cents")
        ),
    ),
    values=(Value("cents", lambda event: event.cents),),
    capacity=256,
)


def payments() -> pd.DataFrame:
    frame = pd.read_csv(PAYMENTS, usecols=["TX_DATETIME", "CUSTOMER_ID", "TX_AMOUNT"])
    time = pd.to_datetime(frame["TX_DATETIME"]).astype("datetime64[us]")
    cents = (frame["TX_AMOUNT"] * 100).round().astype("int64")
    found = pd.DataFrame({"time": time, "customer": frame["CUSTOMER_ID"], "cents": cents})
    return found.sort_values(["customer", "time"], kind="stable", ignore_index=True)


def rolled(frame: pd.DataFrame, over: timedelta, aggregate: str) -> Floats:
    """pandas' own: each row sees those before it in order, within `(t - over, t]`, and itself."""
    by_customer = frame.set_index("time").groupby("customer")["cents"]
    series = getattr(by_customer.rolling(over, closed="right"), aggregate)()
    return np.asarray(series, np.float64)


@pytest.mark.skipif(not PAYMENTS.exists(), reason=f"{PAYMENTS} is absent; set CENTINELA_DATA")
def test_every_row_of_the_card_simulation_equals_pandas() -> None:
    frame = payments()
    at = frame["time"].astype("int64").to_numpy()
    columns = {
        "at": at,
        "customer": frame["customer"].to_numpy(),
        "cents": frame["cents"].to_numpy(),
    }
    features = features_of(CARD, Columns(columns, len(frame)), chunk=65_536)

    assert len(frame) == ROWS
    assert features[:, 2].max() <= CARD.capacity, "beyond the exact regime"
    for column, feature in enumerate(CARD.features):
        expected = rolled(frame, feature.over, feature.aggregate.value)
        if feature.aggregate is Aggregate.STD:
            # pandas keeps a running sum of squares in floating point; ours is exact.
            np.testing.assert_allclose(features[:, column], expected, rtol=1e-9, atol=1e-3)
        elif feature.aggregate is Aggregate.MEAN:
            np.testing.assert_allclose(features[:, column], expected, rtol=1e-12)
        else:
            np.testing.assert_array_equal(features[:, column], expected)
