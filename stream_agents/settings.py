"""What an agent has to know, from the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from producer.settings import Connections


class AgentSettings(Connections):
    """Settings of the agents, each `CENTINELA_<NAME>`.

    Args:
        champion: Folder of the artifact that judges; the pack's shipped one unless given.
        status_host: Address on which an agent answers `/metrics` and `/health`.
        ingestion_port: Where the ingestion agent answers `/metrics` and `/health`.
        decision_port: Where the decision agent answers them.
        recorder_port: Where the recorder answers them.
        session_timeout_s: How soon the group notices that an agent was killed.
        instance: Static member name of this agent, unique among the agents of a stage: a restart
            within the session time-out then moves no partitions of the same topic. Empty for a
            dynamic member.
        retention_days: Of the topics; an entity is forgotten after this and its longest window.
        seen_ids: D, how many event ids each partition remembers to recognise repeats.
        cached_entities: At most so many entities' states does an agent hold per partition.
        kept_decisions: How many answers other than allow are kept to be explained.
        record_days: How long answers stay in PostgreSQL after they were given.
        lanes: An agent's partitions are dealt to so many loops: while one waits for Redis or Kafka,
            another computes.
        take_records: At most so many records of a lane make one chunk.
        take_bytes: Nor is another record added to a chunk of so many bytes.
        stalled_s: An agent that has lag but folds nothing for so long ends itself, unless it waits
            for a part that is away, or looks for an event that breaks our code.
        deadline_s: How long an agent waits for Kafka, Redis or PostgreSQL before it ends itself.
    """

    champion: Path | None = None
    status_host: str = "127.0.0.1"
    ingestion_port: int = 9101
    decision_port: int = 9102
    recorder_port: int = 9103
    session_timeout_s: float = 6.0
    instance: str = ""
    retention_days: int = 7
    seen_ids: int = 65_536
    cached_entities: int = 50_000
    kept_decisions: int = 20_000
    record_days: int = Field(30, gt=0)
    lanes: int = Field(2, gt=0)
    take_records: int = 512
    take_bytes: int = 2 * 1024 * 1024
    stalled_s: float = 30.0
    deadline_s: float = 60.0


class AuditorSettings(AgentSettings):
    """What the auditor has to know beside what an agent does.

    Args:
        auditor_port: Where the auditor answers `/metrics` and `/health`.
        canary_every_s: How often it sends an event of ours through each partition; 0 for never.
        parity_every_s: How often it derives a decision again from the log; 0 for never.
        audit_every_s: How often it counts the whole log; 0 for never.
    """

    auditor_port: int = 9104
    canary_every_s: float = Field(30.0, ge=0)
    parity_every_s: float = Field(10.0, ge=0)
    audit_every_s: float = Field(0.0, ge=0)
