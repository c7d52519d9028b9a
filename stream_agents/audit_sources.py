"""What an audit reads: a pack's topics on Kafka, and both stages' fences on Redis."""

from __future__ import annotations

from contextlib import ExitStack, closing
from datetime import timedelta

from feature_store.fence import StoreUnavailable
from feature_store.online import RedisOnlineStore, connect
from models.errors import Unavailable
from models.pack import DomainPack
from producer.records import DEAD_LETTER, actions_topic, decisions_topic, events_topic
from producer.retained import KafkaRetained
from stream_agents.audited import cuts
from stream_agents.trails import Cut, Topics


def topics_of(stack: ExitStack, kafka: str, pack: str) -> Topics:
    """A pack's topics, each through a client of its own; closed with the stack."""
    names = (events_topic(pack), decisions_topic(pack), actions_topic(pack), DEAD_LETTER)
    return Topics(*(stack.enter_context(closing(KafkaRetained(kafka, name))) for name in names))


async def fences_of(pack: DomainPack, url: str, topics: Topics) -> dict[int, Cut]:
    """What both stages' fences say of a pack's partitions.

    Raises:
        InvalidSource: There is no such topic.
        Unavailable: Kafka or Redis does not answer.
    """
    epochs = topics.events.epoch(), topics.decisions.epoch()
    redis, keep = connect(url), timedelta(days=1)  # of what is written; nothing is
    first, second = (
        RedisOnlineStore(redis, stage, pack.features.entity, keep)
        for stage in (pack.name, f"{pack.name}.decisions")
    )
    try:
        return await cuts((first, second), epochs, topics.events.spans())
    except StoreUnavailable as error:
        raise Unavailable(f"Redis does not answer: {error}") from error
    finally:
        await redis.aclose()
