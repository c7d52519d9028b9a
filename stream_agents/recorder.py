"""The recorder: actions.<pack> -> the record of all answers on PostgreSQL."""

from __future__ import annotations

from feature_store.columns import TextColumn
from feature_store.text import parse_times
from models.catalog import pack_named
from producer.records import actions_topic
from stream_agents.forgetting import forgetting
from stream_agents.postgres import Database
from stream_agents.postgres_records import PostgresRecords
from stream_agents.process import run_agent
from stream_agents.recording import Recording
from stream_agents.settings import AgentSettings


def main() -> None:
    # What is written is not read again: there is nothing to cache.
    settings = AgentSettings(cached_entities=0)
    if not settings.postgres:
        raise SystemExit("recorder: CENTINELA_POSTGRES must say where to write")
    pack = pack_named(settings.pack)
    database = Database(settings.postgres)
    # Loads the kernel before the group is joined.
    parse_times(TextColumn.of([""]))
    run_agent(
        "recorder",
        settings,
        topic=actions_topic(pack.name),
        stage=Recording(pack.name),
        store=PostgresRecords(database, pack.name),
        beside=forgetting(database, pack.name, settings.record_days),
        port=settings.recorder_port,
    )


if __name__ == "__main__":
    main()
