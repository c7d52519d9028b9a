"""Whether what runs is well: Kafka and its topics, the agents and the API."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping

from models.errors import Unavailable
from producer.records import DEAD_LETTER, actions_topic, decisions_topic, events_topic
from producer.settings import Connections
from producer.topics import partition_counts
from scripts.agents import CONTAINED, READY, SILENT, AgentState, agents_of
from scripts.doctor.finding import Finding, State
from scripts.stack.health import TIMEOUT_S, is_listening
from scripts.stack.settings import LocalStack

AGAIN = "make down && make up"


def silent(check: str, where: str, started: bool) -> Finding:
    """Nobody takes connections: broken if it was started, and otherwise just not running."""
    if started:
        line = f"was started, but nobody answers at {where}"
        return Finding(check, State.FAILED, line, AGAIN)
    return Finding(check, State.OFF, f"not running at {where}")


def servers(settings: LocalStack, started: frozenset[str]) -> Iterator[Finding]:
    """Args: started: Names of this stack's processes that are alive."""
    at = Connections()
    yield from kafka(at, "kafka" in started and at.kafka == settings.kafka)
    for agent in agents_of(settings):
        yield agent_is(agent, agent.name in started)
    yield api(settings.api, parts_of(settings.api), "api" in started)


def kafka(at: Connections, started: bool) -> Iterator[Finding]:
    first = at.kafka.partition(",")[0]
    host, _, port = first.rpartition(":")
    if not host or not port.isdecimal():
        line = f"CENTINELA_KAFKA must be host:port, got {at.kafka!r}"
        yield Finding("kafka", State.FAILED, line, "unset CENTINELA_KAFKA")
        return
    if not is_listening(host.strip("[]"), int(port)):
        yield silent("kafka", at.kafka, started)
        return
    try:
        counts = partition_counts(at.kafka)
    except Unavailable as error:
        yield Finding("kafka", State.FAILED, f"takes connections, but: {error}", AGAIN)
        return
    yield Finding("kafka", State.OK, f"answers at {at.kafka}")
    yield topics(counts, at.pack, at.partitions)


def topics(counts: Mapping[str, int], pack: str, partitions: int) -> Finding:
    wanted = [name(pack) for name in (events_topic, decisions_topic, actions_topic)]
    for topic in wanted:
        if (there := counts.get(topic, partitions)) != partitions:
            line = f"{topic} has {there} partitions, and {partitions} are set"
            return Finding("topics", State.FAILED, line, f"CENTINELA_PARTITIONS={there} make up")
    if missing := [topic for topic in (*wanted, DEAD_LETTER) if topic not in counts]:
        line = f"{', '.join(missing)}: not there; the agents make them when they start"
        return Finding("topics", State.WARNING, line, "make up")
    return Finding("topics", State.OK, f"all there, with {partitions} partitions")


def agent_is(agent: AgentState, started: bool) -> Finding:
    name = f"{agent.name} agent"
    if agent.state == SILENT:
        return silent(name, "its port for metrics", started)
    if agent.state == CONTAINED:
        return Finding(name, State.OFF, f"{CONTAINED} tells its health")
    lag = "" if agent.lag is None else f", {agent.lag:,} records behind"
    if agent.state == READY:
        return Finding(name, State.OK, f"ready{lag}")
    line = f"{agent.state}: it owns no partitions yet{lag}"
    return Finding(name, State.WARNING, line, "centinela status")


def api(address: str, parts: Mapping[str, str] | None, started: bool) -> Finding:
    """Args: parts: What it needs, by name, and how that is; None if it does not answer."""
    if parts is None:
        return silent("api", address, started)
    if wrong := [name for name, state in parts.items() if state != "ok"]:
        line = f"answers at {address}, but is not ready: {', '.join(wrong)}"
        return Finding("api", State.FAILED, line, AGAIN)
    return Finding("api", State.OK, f"ready at {address}")


def parts_of(address: str) -> dict[str, str] | None:
    try:
        with urllib.request.urlopen(f"{address}/ready", timeout=5 * TIMEOUT_S) as told:
            return dict(json.load(told)["parts"])
    except urllib.error.HTTPError as error:
        try:
            return dict(json.load(error)["parts"])
        except (ValueError, LookupError, TypeError):
            return {"/ready": f"answered with {error.code}"}
    except (OSError, ValueError, LookupError, TypeError):
        return None
