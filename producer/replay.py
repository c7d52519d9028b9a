"""`centinela replay`: logs and tables of requests into the pipeline, and what became of each."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
import typer
import uuid_utils

from models.errors import InvalidEvent, InvalidSource
from producer import positions
from producer.delivery import Feed, Plan, Shift, deliver, stopped_by_signals
from producer.mapping import parse_map
from producer.options import HowToPrint, Kafka, Quiet, ShiftTo, Speed, Wait
from producer.pacing import newest, pace_of, target_of
from producer.positions import Position
from producer.printing import Output, say, tell, tell_json
from producer.progress import progress
from producer.reporting import errors_in_one_line, report
from producer.rows import Row
from producer.sending import Rejections, line_of
from producer.settings import Connections
from producer.sources import Format, Source

app = typer.Typer(add_completion=False)


@app.command()
def replay(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help="Logs or tables, plain or gzip; `-` reads standard input."
        ),
    ],
    format: Annotated[
        Format, typer.Option(help="`log` is Common or Combined Log Format.")
    ] = Format.AUTO,
    map: Annotated[
        str,
        typer.Option(metavar="FIELD=COLUMN,...", help="Columns of a table: `ip=src,time=when`."),
    ] = "",
    rate: Annotated[float | None, typer.Option(help="Events a second.")] = None,
    speed: Speed = None,
    shift_to: ShiftTo = "",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the last replay was.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read everything, send nothing; needs no Kafka.")
    ] = False,
    wait: Wait = 30.0,
    output: HowToPrint = Output.TEXT,
    quiet: Quiet = False,
    kafka: Kafka = "",
) -> None:
    """Send logs through the pipeline, and account for every line.

    Reads Common and Combined Log Format, CSV with a header, NDJSON and Parquet. Ends with
    `sent = decided + duplicate + late + dead-lettered + missing`; exit code 1 if any is missing.

    \b
    Examples:
      centinela replay access.log.gz --shift-to now
      centinela replay access.log --speed 60x
      centinela replay requests.csv --map ip=source_ip,time=seen_at --rate 500
      tail -F access.log | centinela replay -
    """
    with errors_in_one_line("replay"):
        sources = [Source(path, format, parse_map(map)) for path in _once_each(files)]
        if dry_run:
            return _dry_run(sources, output, quiet)
        settings = Connections()
        plan = Plan(
            kafka=kafka or settings.kafka,
            pack=settings.pack,
            partitions=settings.partitions,
            batch=str(uuid_utils.uuid7()),
            pace=pace_of(rate, speed),
            wait_s=wait,
        )
        feeds = _feeds(sources, target_of(shift_to), resume, quiet)
        size = sum(source.size for source in sources)
        with (
            stopped_by_signals() as stop,
            progress(size, lambda: sum(source.position() for source in sources), quiet) as show,
        ):
            account = deliver(feeds, plan, stop, show)
        options = {"--map": map, "--rate": rate, "--speed": speed, "--shift-to": shift_to}
        report("replay", account, output, quiet, _resume_command(sources, options))


def _once_each(paths: list[str]) -> list[str]:
    for path in paths:
        if paths.count(path) > 1:
            raise InvalidSource(f"{path}: must be given once")
    return paths


def _feeds(
    sources: list[Source], shift_to: int | None, resume: bool, quiet: bool
) -> Iterator[Feed]:
    """The sources, each to begin where it has to, all moved alike."""
    kept = [_kept(source, quiet) if resume else None for source in sources]
    shift = None
    if shift_to is not None:
        moved_by = next((position.moved_by for position in kept if position), None)
        shift = Shift(shift_to, _distance(sources, shift_to) if moved_by is None else moved_by)
    for source, position in zip(sources, kept, strict=True):
        after = position.line if position else 0
        yield Feed(source.rows(after), after, shift, _keeper(source, after, shift))


def _distance(sources: list[Source], shift_to: int) -> int | None:
    """From the last event of files to where it shall be; not known of streams."""
    if any(source.is_stream for source in sources):
        return None
    times = [at for source in sources if (at := newest(source.rows())) is not None]
    return shift_to - max(times) if times else None


def _kept(source: Source, quiet: bool) -> Position | None:
    """Where the last replay of a file was; None if it must begin at the first line."""
    if source.is_stream:
        raise InvalidSource(f"{source.name}: --resume must be given files")
    position = positions.load(source.path)
    if position and position.fingerprint != source.fingerprint():
        say(f"{source.path}: is another file than last time, beginning at its first line", quiet)
        return None
    if position:
        say(f"{source.path}: going on after line {position.line:,}", quiet)
    return position


def _keeper(source: Source, after: int, shift: Shift | None) -> Callable[[int], None]:
    """What keeps a file's position whenever it has moved."""
    if source.is_stream:
        return lambda line: None
    fingerprint = source.fingerprint()
    last = after

    def keep(line: int) -> None:
        nonlocal last
        if line != last:
            last = line
            moved_by = (shift.by or 0) if shift else 0
            positions.save(Position(os.path.abspath(source.path), line, fingerprint, moved_by))

    return keep


def _resume_command(sources: list[Source], options: Mapping[str, object]) -> str:
    if any(source.is_stream for source in sources):
        return ""
    words = ["centinela", "replay", "--resume", *(source.path for source in sources)]
    for option, value in options.items():
        if value in ("", None):
            continue
        words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)


@dataclass(slots=True)
class _Reading:
    """What a dry run finds."""

    read: int = 0
    rejections: Rejections = field(default_factory=Rejections)
    sample: bytes = b""

    def add(self, row: Row) -> None:
        self.read += 1
        try:
            line = line_of(row.event, row.reason)
        except InvalidEvent as error:
            self.rejections.add(row._replace(reason=str(error)))
        else:
            self.sample = self.sample or line[2]


def _dry_run(sources: list[Source], output: Output, quiet: bool) -> None:
    started = time.monotonic()
    reading = _Reading()
    for source in sources:
        for row in filter(None, source.rows()):
            reading.add(row)
    rejected = reading.rejections.counts.total()
    if output is Output.JSON:
        return tell_json(
            {
                "read": reading.read,
                "accepted": reading.read - rejected,
                "rejected": rejected,
                "reasons": dict(reading.rejections.counts),
                "sample": msgspec.Raw(reading.sample or b"null"),
                "seconds": round(time.monotonic() - started, 3),
            }
        )
    for line in reading.rejections.lines():
        say(line, quiet)
    tell(f"read {reading.read:,} = accepted {reading.read - rejected:,} + rejected {rejected:,}")
    if reading.sample:
        tell(reading.sample.decode())


if __name__ == "__main__":
    app(prog_name="replay")
