"""The script that people write: an event at a time, counters in Redis, `score_samples` for each."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import numpy as np
import redis
from confluent_kafka import Consumer, Producer
from sklearn.ensemble import IsolationForest

from scripts.bench.contenders.j1 import BUCKETS, answer, is_valid, setting


def features(store: redis.Redis, event: dict[str, Any]) -> tuple[int, float, float]:
    minute = int(datetime.fromisoformat(event["occurred_at"]).timestamp()) // 60
    client, size = event["client_ip"], event.get("bytes", 0)
    pipeline = store.pipeline(transaction=False)
    for name, amount in (("n", 1), ("bytes", size), ("errors", int(event["status"] >= 400))):
        pipeline.incrby(f"{client}:{minute}:{name}", amount)
        pipeline.expire(f"{client}:{minute}:{name}", 3600)
    for name in ("n", "bytes", "errors"):
        pipeline.mget([f"{client}:{minute - back}:{name}" for back in range(BUCKETS)])
    count, total, errors = (
        sum(int(value) for value in values if value) for values in pipeline.execute()[-3:]
    )
    return count, total / count, errors / count


def main() -> None:
    model = IsolationForest(n_estimators=100, random_state=7).fit(np.load(setting("samples")))
    store = redis.Redis.from_url(setting("redis"))
    consumer = Consumer(
        {
            "bootstrap.servers": setting("kafka"),
            "group.id": setting("group"),
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([setting("in_topic")])
    producer = Producer({"bootstrap.servers": setting("kafka")})
    while True:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        try:
            event = json.loads(message.value() or b"")
        except ValueError:
            continue
        if not is_valid(event):
            continue
        row = features(store, event)
        score = float(-model.score_samples(np.array([row], np.float32))[0])
        line = json.dumps(answer(event["event_id"], event["client_ip"], row[0], score))
        producer.produce(setting("out_topic"), line, event["client_ip"])
        producer.poll(0)


if __name__ == "__main__":
    main()
