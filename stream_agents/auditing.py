"""The books of a partition: what came in, and what became of each event.

What the log holds is counted line by line; what the fences say is held against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from feature_store.fence import Fence
from stream_agents.trails import NOWHERE, OUTCOMES, Cut, Journal, Spans, Topics, Trail, follow


class Books(msgspec.Struct, frozen=True):
    """What became of a partition's events.

    `sent = decided + duplicate + late + dead + pending + answers_gone + missing`.

    Args:
        sent: Events in the log.
        pending: Not answered yet, and no fence says that they were.
        answers_gone: Done, as the fence says, but retention has taken their answers.
        missing: Done, as the fence says, and yet without an answer.
        earlier: Events that the fence has counted and the log no longer holds.
        lost_records: Records that went before anybody had folded them.
        wrong: What does not agree, in words.
        notes: What cannot be told, in words.
    """

    partition: int
    sent: int
    decided: int
    duplicate: int
    late: int
    dead: int
    pending: int
    answers_gone: int
    missing: int
    earlier: int = 0
    lost_records: int = 0
    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_right(self) -> bool:
        return not (self.missing or self.lost_records or self.wrong)


def audit(topics: Topics, partition: int, spans: Spans, cut: Cut, journal: Journal | None) -> Books:
    """A partition's books, without its dead letters; raises `Unavailable`."""
    trail = follow(topics, partition, spans, cut, journal)
    spans = trail.spans
    told = Telling(trail, spans, cut, partition)
    return Books(
        partition,
        int(trail.lines[trail.lines > 0].sum()),
        **told.account(),
        earlier=told.earlier(),
        lost_records=lost_records(cut, spans),
        wrong=tuple(told.wrong()),
        notes=tuple(told.notes()),
    )


@dataclass(frozen=True)
class Telling:
    """What a partition's records and fences amount to."""

    trail: Trail
    spans: Spans
    cut: Cut
    partition: int

    def account(self) -> dict[str, Any]:
        """Events by what became of them, as `Books` names it."""
        counts, gone, missing, pending = np.zeros(len(OUTCOMES), np.int64), 0, 0, 0
        done = self.cut.decided(self.partition)
        for offset, lines in self._records():
            answer = self.answer_to(offset)
            if answer is not None:
                counts += answer
                missing += max(0, lines - sum(answer))
            elif offset > done and self._is_under_way(offset):
                pending += lines
            elif self._is_gone(offset):
                gone += lines
            else:
                missing += lines
        by_outcome = dict(zip(OUTCOMES, counts.tolist(), strict=True))
        return by_outcome | {"pending": pending, "answers_gone": gone, "missing": missing}

    @cached_property
    def oldest_answered(self) -> int:
        """The first events record whose answer is there; the end where there is none."""
        answered = (offset for offset, _ in self._records() if self.answer_to(offset) is not None)
        return next(answered, self.spans.events.stop)

    def answer_to(self, offset: int) -> tuple[int, ...] | None:
        """The outcomes of an events record; None where no answer is there."""
        copies = self.trail.decided_as.get(offset, ())
        return next((a for copy in copies if (a := self.trail.outcomes.get(copy))), None)

    def wrong(self) -> Iterator[str]:
        """What does not agree with the log, or the one fence with the other."""
        more = [
            offset
            for offset, lines in self._records()
            if (answer := self.answer_to(offset)) and sum(answer) > lines
        ]
        if more:
            yield f"{len(more)} records have more answers than events, the first at {more[0]}"
        yield from self._wrong_total()
        yield from self._wrong_stages()
        if self._is_all_there() and self.cut.decision:
            stored = [getattr(self.cut.decision, name) for name in OUTCOMES]
            logged = self._counted_up_to(self.cut.decided(self.partition))
            if stored != logged:
                yield f"the decision fence says {named(stored)}, and the log {named(logged)}"

    def notes(self) -> Iterator[str]:
        fence, start = self.cut.ingestion, self.spans.events.start
        if fence and fence.epoch != self.cut.events:
            yield "events was made again, and nothing of it is folded yet"
        if fence and fence.gap and fence.gap.cause == "recreated":
            yield f"events was made again: {fence.before:,} events of before are not in the log"
        if fence is None and len(self.trail.lines):
            yield "no fence is stored: nothing was folded, or Redis was lost"
        if start > 0:
            yield f"events begins at offset {start:,}: retention has taken what came before"
        if self._is_begun_anew():
            yield "actions lacks all answers up to a point: was it made again? nothing tells"
        if self.trail.strange:
            yield f"{self.trail.strange:,} records of decisions are about no record of events"

    def _is_begun_anew(self) -> bool:
        """Whether the oldest decisions have no answer, and retention has taken none."""
        done = self.cut.decided(self.partition)
        oldest = [min(copies) for source, copies in self.trail.decided_as.items() if source <= done]
        first = min(self.trail.outcomes, default=self.spans.decisions.stop)
        return self.spans.actions.start == 0 and min(oldest, default=first) < first

    def earlier(self) -> int:
        """Events that the fence has counted and the log no longer holds."""
        return max(0, self.cut.ingestion.events - self._folded_lines()) if self.cut.ingestion else 0

    def _records(self) -> Iterator[tuple[int, int]]:
        for place in np.flatnonzero(self.trail.lines != NOWHERE).tolist():
            yield self.spans.events.start + place, int(self.trail.lines[place])

    def _is_under_way(self, offset: int) -> bool:
        """Whether a record waits for the one stage, or what came of it for the other."""
        return offset > self.cut.folded or offset in self.trail.decided_as

    def _is_gone(self, offset: int) -> bool:
        """Whether retention may have taken an answer, or a topic was made again since.

        Records are decided in their order, so what follows one whose decision is still there and
        was answered is still there too. A copy before it may be of one that is gone.
        """
        is_whole = self.cut.are_decisions_whole
        if (self.spans.decisions.start > 0 or not is_whole) and offset < self.oldest_answered:
            return True
        copies = self.trail.decided_as.get(offset, ())
        oldest = min(self.trail.outcomes, default=self.spans.decisions.stop)
        is_cut = self.spans.actions.start > 0 or not is_whole
        return is_cut and min(copies, default=oldest) < oldest

    def _lines(self, first: int, last: int) -> int:
        """Events in the records from one offset to another and including it."""
        start = self.spans.events.start
        part = self.trail.lines[max(0, first - start) : max(0, last + 1 - start)]
        return int(part[part > 0].sum())

    def _folded_lines(self) -> int:
        return self._lines(self.spans.events.start, self.cut.folded)

    def _wrong_total(self) -> Iterator[str]:
        """The ingestion fence against the log."""
        fence = self.cut.ingestion
        if fence is None or fence.epoch != self.cut.events:
            return
        counted, logged = fence.events - fence.before, self._folded_lines()
        gap = fence.gap
        begins = gap.offset if gap and gap.cause == "forgotten" else 0
        if self.spans.events.start <= begins:
            logged = self._lines(begins, self.cut.folded)
            if counted != logged:
                yield f"the ingestion fence counts {counted:,} events, and the log {logged:,}"
        elif counted < logged:
            yield f"the ingestion fence counts {counted:,} events, but the log holds {logged:,}"

    def _wrong_stages(self) -> Iterator[str]:
        """The one fence against the other; only where each has counted from the beginning."""
        first, second = self.cut.ingestion, self.cut.decision
        if first is None or second is None or not self._have_counted_all(first, second):
            return
        done = self.cut.decided(self.partition)
        if done == NOWHERE or done > self.cut.folded:
            return
        between = self._lines(done + 1, self.cut.folded)
        if second.events != first.events - between:
            yield (
                f"the decision fence counts {second.events:,} events, and the ingestion fence"
                f" {first.events - between:,}"
            )

    def _have_counted_all(self, first: Fence, second: Fence) -> bool:
        # What was about a topic of events before it may have been taken.
        if not self.cut.are_decisions_whole or self.spans.decisions.start > 0:
            return False
        return not (first.gap or second.gap or first.before or self.trail.strange)

    def _is_all_there(self) -> bool:
        """Whether nothing was ever taken from the log or the store."""
        first, second = self.cut.ingestion, self.cut.decision
        if first is None or second is None or not self._have_counted_all(first, second):
            return False
        spans = (self.spans.events, self.spans.decisions, self.spans.actions)
        return all(span.start == 0 for span in spans)

    def _counted_up_to(self, done: int) -> list[int]:
        counts = np.zeros(len(OUTCOMES), np.int64)
        for offset, _ in self._records():
            if offset <= done and (answer := self.answer_to(offset)):
                counts += answer
        return [int(count) for count in counts]


def named(counts: Iterable[int]) -> str:
    """`decided 3, late 1`."""
    told = [f"{name} {count:,}" for name, count in zip(OUTCOMES, counts, strict=True) if count]
    return ", ".join(told) or "nothing"


def lost_records(cut: Cut, spans: Spans) -> int:
    """Records that went unfolded; told for as long as the log holds what came right after them."""
    fence, start = cut.ingestion, spans.events.start
    if fence is None or fence.epoch != cut.events:
        return 0
    waiting = max(0, start - fence.offset - 1) if fence.offset >= 0 else 0
    gap = fence.gap
    told = gap.records if gap and gap.cause == "lost" and start <= gap.offset else 0
    return waiting + told
