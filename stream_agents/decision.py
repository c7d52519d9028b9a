"""The decision agent: decisions.<pack> -> suggested action -> actions.<pack>."""

from __future__ import annotations

from datetime import timedelta

from feature_store.columns import TextColumn
from feature_store.online import RedisOnlineStore, connect
from feature_store.text import parse_times
from models.catalog import pack_named
from models.policy import REMEMBERED
from producer.records import decisions_topic
from stream_agents.engine import Decision
from stream_agents.kept import RedisDecisions
from stream_agents.process import run_agent
from stream_agents.regime_store import RedisRegimes
from stream_agents.regimes import Current
from stream_agents.results import RedisResults
from stream_agents.settings import AgentSettings


def main() -> None:
    settings = AgentSettings()
    pack = pack_named(settings.pack)
    stage = f"{pack.name}.decisions"
    keep = REMEMBERED + timedelta(days=settings.retention_days)
    regime = Current(pack, RedisRegimes(settings.redis, pack.name))
    kept = RedisDecisions(settings.redis, pack.name, settings.kept_decisions)
    # Loads the kernel before the group is joined.
    parse_times(TextColumn.of([""]))
    run_agent(
        "decision",
        settings,
        topic=decisions_topic(pack.name),
        stage=Decision(pack, RedisResults(settings.redis), regime.now, kept),
        store=RedisOnlineStore(connect(settings.redis), stage, pack.features.entity, keep),
        beside=regime.followed(settings.deadline_s),
        port=settings.decision_port,
    )


if __name__ == "__main__":
    main()
