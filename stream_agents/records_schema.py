"""The tables of the record, and how they come to be what this release expects."""

from __future__ import annotations

import structlog

from stream_agents.postgres import Database

log = structlog.get_logger(__name__)

LOCK = 0x63656E74696E656C
"""Of PostgreSQL's advisory locks: one process brings the tables up to date, the others wait."""
WITHIN_S = 3600.0

TABLES = """
CREATE TABLE fences (
    pack text NOT NULL,
    partition int NOT NULL,
    fence text NOT NULL,
    PRIMARY KEY (pack, partition)
);

CREATE TABLE decisions (
    id bigint GENERATED ALWAYS AS IDENTITY,
    pack text NOT NULL,
    epoch text NOT NULL,
    partition int NOT NULL,
    source_offset bigint NOT NULL,
    line int NOT NULL,
    decided_at timestamptz NOT NULL,
    event_id text NOT NULL,
    outcome text NOT NULL,
    action text,
    entity text,
    occurred_at timestamptz,
    score double precision,
    ttl_s bigint,
    rules text[],
    reasons jsonb,
    features jsonb,
    model text,
    policy text,
    duplicate_of text,
    error text,
    PRIMARY KEY (epoch, partition, source_offset, line)
);

CREATE INDEX decisions_newest ON decisions (pack, decided_at, id);
CREATE INDEX decisions_entity ON decisions (pack, entity, decided_at, id);
-- An id may be longer than what a B-tree can hold.
CREATE INDEX decisions_event ON decisions USING hash (event_id);

-- What is asked for most is rare among all that is allowed.
CREATE INDEX decisions_found ON decisions (pack, decided_at, id) WHERE action <> 'allow';
CREATE INDEX decisions_found_action ON decisions (pack, action, decided_at, id)
    WHERE action <> 'allow';
CREATE INDEX decisions_found_entity ON decisions (pack, entity, decided_at, id)
    WHERE action <> 'allow';
CREATE INDEX decisions_undecided ON decisions (pack, outcome, decided_at, id)
    WHERE outcome <> 'decided';
"""

DEGRADED = "ALTER TABLE decisions ADD COLUMN degraded text"

MIGRATIONS: tuple[str, ...] = (TABLES, DEGRADED)
"""Applied in this order, each once. One that was released is never changed; each leaves the tables
such that the release before still writes to them, since its processes may run for a while."""


async def migrate(database: Database, migrations: tuple[str, ...] = MIGRATIONS) -> None:
    """Applies what was not applied yet, all or nothing; raises `Unavailable`."""
    async with database.transaction(WITHIN_S) as transaction:
        await transaction.rows("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        await transaction.run(
            "CREATE TABLE IF NOT EXISTS centinela_migrations"
            " (number int PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        [[applied]] = await transaction.rows(
            "SELECT coalesce(max(number), 0) FROM centinela_migrations"
        )
        for number, migration in enumerate(migrations[applied:], applied + 1):
            await transaction.run(migration)
            await transaction.run("INSERT INTO centinela_migrations VALUES (%s)", [number])
            log.info("tables brought up to date", migration=number)
