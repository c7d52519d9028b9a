"""The ingestion agent: events.<pack> -> features -> scores -> decisions.<pack>."""

from __future__ import annotations

from datetime import timedelta

from feature_store.online import RedisOnlineStore, connect
from models.artifacts import champion_of
from models.catalog import pack_named
from producer.records import events_topic
from stream_agents.engine import Detection
from stream_agents.process import run_agent
from stream_agents.regime_store import RedisRegimes
from stream_agents.regimes import Current
from stream_agents.settings import AgentSettings
from stream_agents.warm import warm


def main() -> None:
    settings = AgentSettings()
    pack = pack_named(settings.pack)
    regime = Current(pack, RedisRegimes(settings.redis, pack.name))
    detection = Detection(pack, champion_of(pack.name, settings.champion), regime.now)
    warm(pack, detection)
    keep = pack.features.longest + timedelta(days=settings.retention_days)
    store = RedisOnlineStore(connect(settings.redis), pack.name, pack.features.entity, keep)
    run_agent(
        "ingestion",
        settings,
        topic=events_topic(pack.name),
        stage=detection,
        store=store,
        beside=regime.followed(settings.deadline_s),
        port=settings.ingestion_port,
    )


if __name__ == "__main__":
    main()
