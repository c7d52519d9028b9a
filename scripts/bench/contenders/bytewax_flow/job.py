"""Bytewax, one worker, recovery off: what `flow` says."""

from __future__ import annotations

from typing import Any

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSourceMessage
from bytewax.connectors.kafka import operators as kafka
from bytewax.dataflow import Dataflow
from confluent_kafka import OFFSET_BEGINNING

from scripts.bench.contenders.j1 import (
    Forest,
    State,
    answer,
    fold,
    is_valid,
    new_state,
    setting,
)

forest = Forest(setting("model"))
Windowed = tuple[dict[str, Any], tuple[int, float, float]]


def keyed(message: KafkaSourceMessage[bytes, bytes]) -> tuple[str, dict[str, Any]] | None:
    try:
        event = orjson.loads(message.value)
    except orjson.JSONDecodeError:
        return None
    return (event["client_ip"], event) if is_valid(event) else None


def windowed(state: State | None, event: dict[str, Any]) -> tuple[State, Windowed]:
    buckets = state or new_state()
    return buckets, (event, fold(buckets, event))


def scored(item: tuple[str, Windowed]) -> KafkaSinkMessage[bytes, bytes]:
    client, (event, row) = item
    line = orjson.dumps(answer(event["event_id"], client, row[0], forest.score([row])[0]))
    return KafkaSinkMessage(client.encode(), line)


flow = Dataflow("j1")
source = kafka.input(
    "in",
    flow,
    brokers=[setting("kafka")],
    topics=[setting("in_topic")],
    starting_offset=OFFSET_BEGINNING,
    batch_size=1000,
)
events = op.filter_map("key", source.oks, keyed)
rows = op.stateful_map("windows", events, windowed)
answers = op.map("score", rows, scored)
kafka.output("out", answers, brokers=[setting("kafka")], topic=setting("out_topic"))
