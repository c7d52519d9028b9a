"""The floor: a loop over confluent-kafka, buckets in a dict, the fused forest; nothing survives it.

A record may hold one event or many, as NDJSON; it is answered by one record of as many lines.
"""

from __future__ import annotations

from itertools import islice

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from scripts.bench.contenders.j1 import Forest, State, add, answer, minute_of, new_state, setting

EVENTS = 500
"""About so many are judged at a time."""


class Request(msgspec.Struct):
    event_id: str
    occurred_at: str
    client_ip: str
    status: int
    bytes: int = 0


DECODER = msgspec.json.Decoder(Request)


def requests(value: bytes) -> list[Request]:
    """Those lines of a record that are requests; the others are skipped."""
    try:
        return DECODER.decode_lines(value)
    except msgspec.DecodeError:
        lines = value.split(b"\n")
        return [request for line in lines for request in requests(line)] if lines[1:] else []


def main() -> None:
    forest = Forest(setting("model"))
    topic, out = setting("in_topic"), setting("out_topic")
    consumer = Consumer(
        {
            "bootstrap.servers": setting("kafka"),
            "group.id": setting("group"),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(topic, p, 0) for p in range(int(setting("partitions")))])
    producer = Producer({"bootstrap.servers": setting("kafka"), "linger.ms": 5, "acks": 1})
    encoder = msgspec.json.Encoder()
    states: dict[str, State] = {}
    most = EVENTS
    while True:
        messages = consumer.consume(most, 0.1)
        records = [requests(message.value() or b"") for message in messages]
        events = [event for record in records for event in record]
        most = max(8, EVENTS * len(records) // max(1, len(events)))
        rows = []
        for event in events:
            state = states.get(event.client_ip)
            if state is None:
                state = states[event.client_ip] = new_state()
            rows.append(add(state, minute_of(event.occurred_at), event.bytes, event.status))
        scores = forest.score(rows)
        lines = iter(
            encoder.encode(answer(event.event_id, event.client_ip, row[0], score))
            for event, row, score in zip(events, rows, scores, strict=True)
        )
        for message, record in zip(messages, records, strict=True):
            if record:
                value = b"\n".join(islice(lines, len(record)))
                producer.produce(out, value, message.key(), message.partition() or 0)
        while producer.poll(0) or len(producer) > 50_000:
            producer.poll(0.01)


if __name__ == "__main__":
    main()
