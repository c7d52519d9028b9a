"""Quix Streams: a stateful step keeps the buckets (RocksDB, changelog), a plain one scores."""

from __future__ import annotations

from logging import Logger
from typing import Any

from quixstreams import Application, State
from quixstreams.models import SerializationError

from scripts.bench.contenders.j1 import Forest, answer, fold, is_valid, new_state, setting

forest = Forest(setting("model"))


def windowed(event: dict[str, Any], state: State) -> dict[str, Any]:
    buckets = state.get("buckets") or new_state()
    row = fold(buckets, event)
    state.set("buckets", buckets)
    return {"event_id": event["event_id"], "client_ip": event["client_ip"], "row": row}


def scored(event: dict[str, Any]) -> dict[str, Any]:
    row = event["row"]
    return answer(event["event_id"], event["client_ip"], row[0], forest.score([row])[0])


def skips(error: Exception, message: Any, logger: Logger) -> bool:
    return isinstance(error, SerializationError)


def main() -> None:
    app = Application(
        broker_address=setting("kafka"),
        consumer_group=setting("group"),
        auto_offset_reset="earliest",
        state_dir=setting("folder"),
        loglevel="WARNING",
        on_consumer_error=skips,
    )
    events = app.topic(setting("in_topic"), value_deserializer="json", key_deserializer="str")
    answers = app.topic(setting("out_topic"), value_serializer="json", key_serializer="str")
    frame = app.dataframe(events).filter(is_valid)
    frame.apply(windowed, stateful=True).apply(scored).to_topic(answers)
    app.run()


if __name__ == "__main__":
    main()
