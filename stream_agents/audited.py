"""A pack's books: every partition's, and what they amount to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from feature_store.fence import Gap, OnlineStore, decode_fence
from models.pack import DomainPack
from producer.records import decisions_topic, events_topic
from stream_agents.auditing import Books, audit
from stream_agents.trails import OUTCOMES, Cut, Journal, Spans, Topics, letters_by_partition

ALWAYS = ("decided", "missing")
"""Said even where they are none."""


class Sent(msgspec.Struct, frozen=True):
    """What became of the event ids of a client's journal.

    Args:
        ids: How many, each once.
        answered: Those with an answer in the log.
        pending: Those in the log, without an answer yet or any more.
        missing: Those that the log does not hold.
    """

    ids: int
    answered: int
    pending: tuple[str, ...]
    missing: tuple[str, ...]


class Difference(msgspec.Struct, frozen=True):
    """An answer that is not what the log amounts to.

    Args:
        place: Of the event.
        what: What differs, in words.
    """

    event_id: str
    place: str
    what: str


class Compared(msgspec.Struct, frozen=True):
    """What came of some answers that were derived again.

    Args:
        passed_over: Why answers that were drawn were not compared, and how many.
    """

    checked: int
    differing: tuple[Difference, ...]
    passed_over: dict[str, int]


class Account(msgspec.Struct, frozen=True):
    """The books of a pack.

    Args:
        wrong: What does not agree, by partition, in words.
        notes: What is no longer there, or cannot be told.
        journal: Where one was given.
        parity: Where decisions were derived again.
    """

    pack: str
    partitions: tuple[Books, ...]
    totals: Mapping[str, int]
    wrong: tuple[str, ...]
    notes: tuple[str, ...]
    is_right: bool
    journal: Sent | None = None
    parity: Compared | None = None


async def cuts(
    stores: tuple[OnlineStore, OnlineStore], epochs: tuple[str, str], partitions: Iterable[int]
) -> dict[int, Cut]:
    """What both stages' fences say; the later stage first, so that it is never ahead of the other.

    Args:
        stores: Of the ingestion stage, and of the decision stage.
        epochs: Ids of the topics of events and of decisions.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    found = {}
    for partition in partitions:
        (second, _), (first, _) = [await store.load(partition) for store in reversed(stores)]
        found[partition] = Cut(decode_fence(first), decode_fence(second), *epochs)
    return found


def account(
    pack: DomainPack, topics: Topics, cut: Mapping[int, Cut], journal: Journal | None = None
) -> Account:
    """The books of all partitions; what the log holds is read once, from its beginning.

    Raises:
        InvalidSource: There is no such topic.
        Unavailable: Kafka does not answer.
    """
    # After the fences: whatever they say was done is within.
    spans = [each.spans() for each in (topics.events, topics.decisions, topics.actions)]
    books = [
        audit(
            topics, partition, Spans(*(each[partition] for each in spans)), cut[partition], journal
        )
        for partition in sorted(cut)
    ]
    books = with_letters(pack, topics, books)
    return summed(pack.name, books, journal)


def with_letters(pack: DomainPack, topics: Topics, books: Sequence[Books]) -> list[Books]:
    """The books with what dead-letter lacks of their dead events."""
    sources = (events_topic(pack.name), decisions_topic(pack.name))
    if not any(each.dead for each in books):
        return list(books)
    [(partition, span)] = topics.dead_letters.spans().items()
    letters = letters_by_partition(topics.dead_letters.read(partition, span), sources.__contains__)
    checked = []
    for each in books:
        there = sum(len(letters.get((topic, each.partition), ())) for topic in sources)
        if there >= each.dead:
            checked.append(each)
        elif span.start > 0:
            note = f"dead-letter holds {there:,} of {each.dead:,}, retention has taken some"
            checked.append(replace(each, notes=(*each.notes, note)))
        else:
            wrong = f"dead-letter holds {there:,} of {each.dead:,} dead events"
            checked.append(replace(each, wrong=(*each.wrong, wrong)))
    return checked


def summed(pack: str, books: Sequence[Books], journal: Journal | None) -> Account:
    names = ("sent", *OUTCOMES, "pending", "answers_gone", "missing", "earlier", "lost_records")
    totals = {name: sum(getattr(each, name) for each in books) for name in names}
    told = sent_of(journal) if journal else None
    is_right = all(each.is_right for each in books)
    return Account(
        pack,
        tuple(books),
        totals,
        tuple(f"partition {each.partition}: {line}" for each in books for line in each.wrong),
        tuple(f"partition {each.partition}: {line}" for each in books for line in each.notes),
        is_right and not (told and told.missing),
        told,
    )


def with_parity(found: Account, compared: Compared) -> Account:
    return replace(found, parity=compared, is_right=found.is_right and not compared.differing)


def gaps_of(cut: Mapping[int, Cut]) -> dict[int, Gap]:
    """By partition, the gaps in what the ingestion stage has folded."""
    fences = {partition: each.ingestion for partition, each in cut.items()}
    return {partition: fence.gap for partition, fence in fences.items() if fence and fence.gap}


def sent_of(journal: Journal) -> Sent:
    waiting = (journal.wanted & journal.logged) - journal.answered
    missing = journal.wanted - journal.logged - journal.answered
    answered = len(journal.wanted & journal.answered)
    return Sent(len(journal.wanted), answered, tuple(sorted(waiting)), tuple(sorted(missing)))


def equation(totals: Mapping[str, int]) -> str:
    """`sent 100,000 = decided 99,988 + dead-lettered 12 + missing 0`."""
    names = {"dead": "dead-lettered", "answers_gone": "answers no longer in the log"}
    terms = (*OUTCOMES, "pending", "answers_gone", "missing")
    told = [
        f"{names.get(term, term)} {totals[term]:,}"
        for term in terms
        if totals[term] or term in ALWAYS
    ]
    return f"sent {totals['sent']:,} = {' + '.join(told)}"
