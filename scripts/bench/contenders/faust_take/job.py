"""Faust alone: `stream.take(100, within=0.05)`, buckets in a plain dict, one answer an event."""

from __future__ import annotations

import sys
from typing import Any

import faust
import msgspec
from mode.loop import use

from scripts.bench.contenders.j1 import (
    Forest,
    State,
    answer,
    fold,
    is_valid,
    new_state,
    setting,
)

use("uvloop")
app = faust.App(
    setting("group"),
    broker=f"kafka://{setting('kafka')}",
    consumer_auto_offset_reset="earliest",
    value_serializer="raw",
    key_serializer="raw",
    topic_disable_leader=True,
    web_enabled=False,
    datadir=setting("folder"),
)
events = app.topic(setting("in_topic"), value_type=bytes, value_serializer="raw")
answers = app.topic(setting("out_topic"), value_type=bytes, value_serializer="raw")
forest = Forest(setting("model"))
states: dict[str, State] = {}
decode, encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode


def read(value: bytes) -> dict[str, Any] | None:
    try:
        event = decode(value)
    except msgspec.DecodeError:
        return None
    return event if is_valid(event) else None


@app.agent(events)
async def judge(stream: faust.StreamT[bytes]) -> None:
    async for values in stream.take(100, within=0.05):
        taken = [event for event in map(read, values) if event]
        rows = [fold(states.setdefault(e["client_ip"], new_state()), e) for e in taken]
        for event, row, score in zip(taken, rows, forest.score(rows), strict=True):
            client = event["client_ip"]
            line = encode(answer(event["event_id"], client, row[0], score))
            await answers.send(key=client.encode(), value=line)


if __name__ == "__main__":
    sys.argv[1:] = ["worker", "--loglevel", "warn", "--without-web"]
    app.main()
