"""Simulated card payments as events of job J1; the file is not ours, and may not be there.

A payment's customer is the job's client, its amount in cents are the bytes, and a fraud, by its
label, has the status 402: something for the share of errors to count, no detection.

References:
    Le Borgne, Siblini, Lebichot, Bontempi: Reproducible Machine Learning for Credit Card Fraud
    Detection, 2022, chapter 3.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from models.packs.access.events import AccessEvent
from scripts.bench.contenders.contender import NotHad
from scripts.stack.settings import ROOT

DATA = Path(os.environ.get("CENTINELA_DATA", ROOT.parent / "shared" / "data"))
PAYMENTS = DATA / "fraud" / "card_sim_2018-04-01_2018-05-26.csv.gz"


def lines(payments: Path = PAYMENTS) -> Iterator[tuple[str, bytes]]:
    """(customer, line) in order of time, which is read as UTC.

    Raises:
        NotHad: The file is not there.
    """
    if not payments.exists():
        raise NotHad(f"there is no {payments.name}; CENTINELA_DATA names the folder of the data")
    encoder = msgspec.json.Encoder()
    with gzip.open(payments, "rt", newline="") as file:
        for row in csv.DictReader(file):
            event = AccessEvent(
                occurred_at=f"{row['TX_DATETIME'].replace(' ', 'T')}Z",
                client_ip=row["CUSTOMER_ID"],
                method="POST",
                path="/payments",
                status=402 if row["TX_FRAUD"] == "1" else 200,
                event_id=f"card-{row['TRANSACTION_ID']}",
                bytes=round(100 * float(row["TX_AMOUNT"])),
            )
            yield event.client_ip, encoder.encode(event)
