"""Scanners laid over real logs, judged by the pipeline itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from models.artifacts import Champion, champion_of
from models.catalog import pack_named
from models.errors import InvalidSource
from models.pack import DomainPack
from scripts.evaluation import embedded
from scripts.evaluation.baselines import Baselines
from scripts.evaluation.haystack import lay
from scripts.evaluation.logs import Traffic, digest_of
from scripts.evaluation.protocol import Protocol, Track, Variant
from scripts.evaluation.report import Report, Setting, Tally
from scripts.evaluation.tracks import seen_by
from scripts.evaluation.who import Noted, noted


@dataclass(frozen=True, slots=True)
class Judge:
    """The pipeline under a protocol."""

    pack: DomainPack
    champion: Champion
    protocol: Protocol

    def reports(
        self,
        backgrounds: Sequence[Traffic],
        attacks: Sequence[Traffic],
        tracks: Sequence[Track],
        variants: Sequence[Variant],
    ) -> Iterator[Report]:
        """One a variant, as they are done."""
        for background, track in product(backgrounds, tracks):
            seen, laid = seen_by(track, background, attacks, self.protocol.seed)
            rivals = self._rivals(seen)
            for variant in variants:
                tally = self._tally(seen, laid, variant, rivals)
                yield tally.report(self._setting(track, variant, [background, *attacks]))

    def _tally(
        self,
        background: Traffic,
        attacks: Sequence[Traffic],
        variant: Variant,
        rivals: Baselines | None,
    ) -> Tally:
        hostile = self.protocol.hostile
        tally = Tally(hostile)
        for start in range(self.protocol.starts):
            haystack = lay(background, attacks, variant, f"{self.protocol.seed}/{start}")
            run = embedded.run(self.pack, self.champion, haystack.events)
            tally.add(haystack, run, rivals.judge(haystack, hostile) if rivals else {})
        return tally

    def _rivals(self, background: Traffic) -> Baselines | None:
        if not self.protocol.compares:
            return None
        return Baselines(self.pack, background, self.protocol.seed)

    def _setting(self, track: Track, variant: Variant, logs: Sequence[Traffic]) -> Setting:
        return Setting(
            background=logs[0].name,
            track=track,
            stretch=variant.stretch,
            addresses=variant.addresses,
            starts=self.protocol.starts,
            seed=self.protocol.seed,
            lines=self.protocol.lines,
            after=self.protocol.after,
            model=self.champion.version,
            policy=self.pack.policy.version,
            data_sha256=digest_of(logs),
        )


def judge_of(protocol: Protocol) -> Judge:
    """With the pack and the champion that are shipped."""
    return Judge(pack_named("access"), champion_of("access"), protocol)


def list_clients(backgrounds: Sequence[Traffic], tracks: Sequence[Track]) -> Iterator[Noted]:
    """The clients of the backgrounds alone that met more than allow."""
    pack, champion = pack_named("access"), champion_of("access")
    for background, track in product(backgrounds, tracks):
        seen, _ = seen_by(track, background, [], 0)
        run = embedded.run(pack, champion, seen.events)
        yield from noted(background.name, track, seen.events, run.actions)


def named_in(file: Path, backgrounds: Sequence[Traffic]) -> frozenset[str]:
    """The clients that a file names, one a line, by themselves or by a line of theirs.

    `site.log.gz:379` is the client of line 379 of the background of that name. Lines of other
    logs name nobody, and lines that begin with `#` say why.

    Raises:
        InvalidSource: The file cannot be read, or a background has no such line.
    """
    try:
        lines = [line.strip() for line in file.read_text().splitlines()]
    except OSError as error:
        raise InvalidSource(f"{file}: {error.strerror}") from error
    logs = {each.name: each for each in backgrounds}
    return frozenset(_named(line, logs) for line in lines if line and not line.startswith("#"))


def _named(line: str, logs: Mapping[str, Traffic]) -> str:
    name, _, number = line.rpartition(":")
    if name not in logs:
        return line
    try:
        return logs[name].events[logs[name].lines.index(int(number))].client_ip
    except ValueError:
        raise InvalidSource(f"{name}: has no readable line {number}") from None
