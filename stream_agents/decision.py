"""The decision agent: decisions.<pack> -> suggested action -> actions.<pack>."""

from __future__ import annotations

from datetime import timedelta

from feature_store.online import RedisOnlineStore, connect
from models.catalog import pack_named
from producer.records import decisions_topic
from stream_agents.engine import Decision
from stream_agents.process import run_agent
from stream_agents.results import RedisResults
from stream_agents.settings import AgentSettings


def main() -> None:
    settings = AgentSettings()
    pack = pack_named(settings.pack)
    stage = f"{pack.name}.decisions"
    keep = timedelta(days=settings.retention_days)
    run_agent(
        "decision",
        settings,
        topic=decisions_topic(pack.name),
        stage=Decision(pack, RedisResults(settings.redis)),
        store=RedisOnlineStore(connect(settings.redis), stage, pack.features.entity, keep),
        port=settings.decision_port,
    )


if __name__ == "__main__":
    main()
