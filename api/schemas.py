"""What the API answers; `openapi.py` publishes these very types.

They are msgspec structs, not pydantic models: an answer holds hundreds of events, and encoding
them is part of the latency that a caller sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from api.faults import Fault
from models.contracts import Reason
from models.lists import LONGEST_NOTE
from models.regime import PolicyFile


class EventResult(msgspec.Struct, frozen=True):
    """The answer about one event; results stand in the order of the request's events.

    Args:
        event_id: As given, else assigned; null for an invalid event that has none.
        outcome: decided; duplicate (an event with this id has been judged before); late (older
            than its entity's longest window); dead (cannot be judged); invalid (refused at the
            door, never published).
        threat: Whether the action is other than allow.
        action: allow, alert, challenge or block; null unless decided.
        score: In [0, 1], higher is more suspicious.
        ttl_s: For how long the action holds, in seconds.
        rules: The rules that fired.
        reasons: Why the event is not simply allowed.
        model, policy: The versions that judged.
        features: The values behind an action other than allow.
        error: With late, dead and invalid.
        degraded: Why less was known of the event than should be; absent as a rule. The action is
            then at least the policy's fail mode.
    """

    event_id: str | None
    outcome: Literal["decided", "duplicate", "late", "dead", "invalid"]
    threat: bool = False
    action: Literal["allow", "alert", "challenge", "block"] | None = None
    score: float | None = None
    ttl_s: int | None = None
    rules: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    model: str | None = None
    policy: str | None = None
    entity: str | UnsetType = UNSET
    occurred_at: str | UnsetType = UNSET
    features: Mapping[str, float] | UnsetType = UNSET
    duplicate_of: str | UnsetType = UNSET
    error: Fault | UnsetType = UNSET
    degraded: str | UnsetType = UNSET


class Summary(msgspec.Struct):
    """How many events a batch had, by outcome, and the decided ones by action."""

    events: int = 0
    decided: int = 0
    duplicate: int = 0
    late: int = 0
    dead: int = 0
    invalid: int = 0
    allow: int = 0
    alert: int = 0
    challenge: int = 0
    block: int = 0


class Analysis(msgspec.Struct, frozen=True):
    """A batch with all its answers."""

    batch_id: str
    pack: str
    summary: Summary
    results: Sequence[EventResult]
    status: Literal["complete"] = "complete"


class Pending(msgspec.Struct, frozen=True):
    """A batch whose answers are not all there yet; ask again at the header `Location`.

    Args:
        events: In the batch.
        answered: How many of them have their answer.
    """

    batch_id: str
    pack: str
    events: int
    answered: int
    status: Literal["pending"] = "pending"


class GivenDecision(msgspec.Struct, frozen=True):
    """An answer that was given; `/v1/decisions/{event_id}` tells all about it.

    Args:
        entity: Null for a dead event that could not be read.
        occurred_at: When the event happened; null as above.
        decided_at: When it was answered.
        Others: as in `EventResult`.
    """

    event_id: str
    outcome: Literal["decided", "duplicate", "late", "dead"]
    entity: str | None
    occurred_at: str | None
    decided_at: str
    action: Literal["allow", "alert", "challenge", "block"] | None
    score: float | None
    ttl_s: int | None
    rules: Sequence[str]
    reasons: Sequence[Reason]
    model: str | None
    policy: str | None
    duplicate_of: str | UnsetType = UNSET
    error: Fault | UnsetType = UNSET
    degraded: str | UnsetType = UNSET


class Decisions(msgspec.Struct, frozen=True):
    """A page of the answers that were given, the newest first.

    Args:
        next: To be given as `cursor`; null where nothing follows. A page may hold fewer than
            `limit`, even none, and still name one.
    """

    pack: str
    decisions: Sequence[GivenDecision]
    next: str | None = None


class EntityFeatures(msgspec.Struct, frozen=True):
    """What is known about an entity at a time; a feature is null where it is unknown."""

    pack: str
    entity: str
    at: str
    features: Mapping[str, float | None]


class NewEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry for a list; one of the same name on the same list is replaced.

    Args:
        entry: An address, a range of addresses (CIDR), or any other entity's name, exactly.
        until: RFC 3339; it covers the events before this time. Absent for all.
        ttl_s: In the place of `until`: so many seconds from now.
        note: Why; told to whoever meets the entry in an answer.
        author: Who wants it.
    """

    entry: str
    until: str | None = None
    ttl_s: Annotated[int, msgspec.Meta(ge=1, le=10**10)] | None = None
    note: Annotated[str, msgspec.Meta(max_length=LONGEST_NOTE)] = ""
    author: Annotated[str, msgspec.Meta(max_length=LONGEST_NOTE)] = ""


class ShownEntry(msgspec.Struct, frozen=True):
    """A list's entry.

    Args:
        entry: In its one way of writing: `203.0.113.7` for `::ffff:203.0.113.7`.
        until: When it ends; null for never.
        added_at: When it was put on the list; null where it was taken off.
    """

    entry: str
    until: str | None = None
    note: str = ""
    author: str = ""
    added_at: str | None = None


class ListShown(msgspec.Struct, frozen=True):
    """A list's entries that have not ended.

    Args:
        revision: Of both lists; answers name it in their policy: `access-1+lists.12`.
    """

    pack: str
    list: Literal["allow", "deny"]
    revision: int
    entries: Sequence[ShownEntry]


class EntryChanged(msgspec.Struct, frozen=True):
    """An entry that was put on a list or taken off it; `revision` as in `ListShown`."""

    pack: str
    list: Literal["allow", "deny"]
    revision: int
    entry: ShownEntry


class PolicyShown(msgspec.Struct, frozen=True):
    """The policy in force for a pack.

    Args:
        version: Stands in every answer.
        revision: How often it was changed.
        policy: All of it.
        changes: What differs from the pack's own; null for nothing.
    """

    pack: str
    version: str
    revision: int
    policy: PolicyFile
    changes: PolicyFile | None = None


class Health(msgspec.Struct, frozen=True):
    """`ok`, or what is wrong, by part."""

    status: Literal["ok", "unavailable"]
    parts: Mapping[str, str]


class Version(msgspec.Struct, frozen=True):
    """What is running.

    Args:
        release: Of Centinela.
        api: Of this interface; it only grows.
        policies: By pack, the policy that it comes with. What is in force is told by every answer.
    """

    release: str
    api: str
    python: str
    policies: Mapping[str, str]
