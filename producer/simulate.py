"""`centinela simulate`: a pack's seeded traffic, with labels, to a file or into the pipeline."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Annotated, Any, cast

import msgspec
import typer
import uuid_utils

from models.errors import InvalidSource
from models.pack import DomainPack
from models.packs.access.events import AccessEvent
from producer.delivery import Feed, Plan, Shift, deliver, stopped_by_signals
from producer.options import HowToPrint, Kafka, Quiet, ShiftTo, Speed, Wait
from producer.pacing import newest, pace_of, target_of
from producer.printing import Output, say
from producer.progress import progress
from producer.reporting import errors_in_one_line, report
from producer.rows import Row
from producer.sending import line_of
from producer.settings import Connections

app = typer.Typer(add_completion=False)


@app.command()
def simulate(
    pack: Annotated[str, typer.Argument(help="The domain: access.")] = "access",
    seed: Annotated[int, typer.Option(help="The same seed gives the same events.")] = 7,
    events: Annotated[int, typer.Option(min=1, help="How many.")] = 10_000,
    to: Annotated[
        str, typer.Option(metavar="FILE", help="Where to write NDJSON; `-` is standard output.")
    ] = "-",
    publish: Annotated[
        bool, typer.Option("--publish", help="Into Kafka instead, with an account at the end.")
    ] = False,
    rate: Annotated[float | None, typer.Option(help="Events a second, with --publish.")] = None,
    speed: Speed = None,
    shift_to: ShiftTo = "",
    wait: Wait = 30.0,
    output: HowToPrint = Output.TEXT,
    quiet: Quiet = False,
    kafka: Kafka = "",
) -> None:
    """Generate traffic with attackers in it, and labels.

    Each event carries its label, 1 for an attack. The same seed gives the same traffic.

    \b
    Examples:
      centinela simulate access --seed 7 --events 100000 --to traffic.ndjson
      centinela simulate access --publish --rate 200 --shift-to now
    """
    with errors_in_one_line("simulate"):
        told = pack_named(pack)
        shift = _shift(told, seed, events, shift_to)
        if not publish:
            return _write(_rows(told, seed, events), shift, to, quiet)
        settings = Connections()
        plan = Plan(
            kafka=kafka or settings.kafka,
            pack=told.name,
            partitions=settings.partitions,
            batch=str(uuid_utils.uuid7()),
            pace=pace_of(rate, speed),
            wait_s=wait,
        )
        sent = 0

        def counted() -> Iterator[Row]:
            nonlocal sent
            for sent, row in enumerate(_rows(told, seed, events), 1):  # noqa: B007
                yield row

        with stopped_by_signals() as stop, progress(events, lambda: sent, quiet) as show:
            account = deliver([Feed(counted(), shift=shift)], plan, stop, show)
        report("simulate", account, output, quiet)


def pack_named(name: str) -> DomainPack:
    """A pack of `models/packs/`.

    Raises:
        InvalidSource: There is none of that name.
    """
    try:
        module: Any = importlib.import_module(f"models.packs.{name}")  # whose PACK mypy cannot see
    except (ModuleNotFoundError, ValueError) as error:
        raise InvalidSource(f"pack: there is none named {name!r}") from error
    return cast(DomainPack, module.PACK)


def _rows(pack: DomainPack, seed: int, events: int) -> Iterator[Row]:
    simulated = cast(Iterator[tuple[AccessEvent, int]], pack.simulate(seed, events))
    for number, (event, label) in enumerate(simulated, 1):
        labelled = msgspec.structs.replace(event, label=label)
        yield Row(f"{pack.name}-{seed}", number, b"", labelled)


def _shift(pack: DomainPack, seed: int, events: int, shift_to: str) -> Shift | None:
    if (target := target_of(shift_to)) is None:
        return None
    last = newest(_rows(pack, seed, events))
    return Shift(target, None if last is None else target - last)


def _write(rows: Iterator[Row], shift: Shift | None, to: str, quiet: bool) -> None:
    written = attacks = 0
    try:
        target = nullcontext(sys.stdout.buffer) if to == "-" else open(to, "wb")  # noqa: SIM115
    except OSError as error:
        raise InvalidSource(f"{to}: {error.strerror}") from error
    with target as file:
        for row in rows:
            event = shift(row.event) if shift and row.event else row.event
            file.write(line_of(event)[2] + b"\n")
            written += 1
            attacks += bool(event and event.label)
    say(f"wrote {written:,} events, {attacks:,} of them attacks", quiet)


if __name__ == "__main__":
    app(prog_name="simulate")
