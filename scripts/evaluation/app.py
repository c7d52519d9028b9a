"""`centinela evaluate`: how well a pack detects, by a protocol that anyone can rerun.

What judges is imported by the command that needs it: scikit-learn takes seconds to load.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Annotated

import typer

from models.errors import InvalidSource
from scripts.evaluation.protocol import Protocol, Track, Variant
from scripts.output import Output, OutputOption

evaluate = typer.Typer(
    help="How well a pack detects, on logs of any site.",
    no_args_is_help=True,
)

DEFAULT = Protocol()
STRETCH, ADDRESSES, TRACKS = [1, 20, 200], [1, 50, 500], [Track.FULL]

Backgrounds = Annotated[list[str], typer.Option(help="A log of real traffic; repeatable.")]
Attacks = Annotated[list[str] | None, typer.Option(help="A scanner's log; repeatable.")]
Stretch = Annotated[list[int], typer.Option(min=1, help="Times slower; repeatable.")]
Addresses = Annotated[list[int], typer.Option(min=1, help="Clients an attack; repeatable.")]
Starts = Annotated[int, typer.Option(min=1, help="Runs a variant, each begun elsewhere.")]
Seed = Annotated[int, typer.Option(help="The same seed, the same figures.")]
Lines = Annotated[int, typer.Option(min=1, help="Of each attack.")]
After = Annotated[int, typer.Option(min=0, help="Leave out the first lines, to tune on others.")]
Tracks = Annotated[list[Track], typer.Option(help="What may be seen; repeatable.")]
Hostile = Annotated[Path | None, typer.Option(help="A file that names the logs' own attackers.")]
Rivals = Annotated[bool, typer.Option("--baselines/--no-baselines", help="Plain detectors too.")]
Who = Annotated[bool, typer.Option("--who", help="Only list the clients that met an action.")]
SessionLogs = Annotated[list[str], typer.Option(help="A log with session ids; repeatable.")]
Labels = Annotated[list[Path], typer.Option(help="Lines of session and kind; repeatable.")]
Folds = Annotated[int, typer.Option(min=2, help="Of the cross-validation.")]
Seeds = Annotated[int, typer.Option(min=1, help="Repetitions.")]
Values = Annotated[Path, typer.Option(help="A CSV file: payload, attack_type, label.")]
MoreValues = Annotated[Path | None, typer.Option(help="Another, to be judged once.")]


@evaluate.command()
def access(
    background: Backgrounds,
    attack: Attacks = None,
    stretch: Stretch = STRETCH,
    addresses: Addresses = ADDRESSES,
    starts: Starts = DEFAULT.starts,
    seed: Seed = DEFAULT.seed,
    lines: Lines = DEFAULT.lines,
    after: After = DEFAULT.after,
    track: Tracks = TRACKS,
    hostile: Hostile = None,
    baselines: Rivals = True,
    who: Who = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Lay scanners over real logs: who is found, who is touched, and how soon.

    \b
    Examples:
      centinela evaluate access --background site.log.gz --attack acunetix.txt.gz -o json
    """
    from scripts.evaluation.access import judge_of, list_clients, named_in
    from scripts.evaluation.logs import attack_of, background_of
    from scripts.evaluation.printing import print_noted, print_report

    backgrounds = [background_of(log) for log in background]
    if who:
        return print_noted(list_clients(backgrounds, track), output)
    if not attack:
        raise InvalidSource("--attack: needs the log of at least one scanner")
    attacks = [attack_of(log, lines, after) for log in attack]
    known = named_in(hostile, backgrounds) if hostile else frozenset()
    judge = judge_of(Protocol(starts, seed, lines, after, known, baselines))
    variants = [Variant(*pair) for pair in product(stretch, addresses)]
    print_report(judge.reports(backgrounds, attacks, track, variants), output)


@evaluate.command()
def bots(
    log: SessionLogs,
    labels: Labels,
    folds: Folds = 5,
    seeds: Seeds = 5,
    output: OutputOption = Output.TEXT,
) -> None:
    """Tell bots from people by what their sessions do: AUC and F1 over sessions, cross-validated.

    \b
    Examples:
      centinela evaluate bots --log people.log --log bots.log --labels kinds.txt -o json
    """
    from scripts.evaluation.bots import judged, labels_of
    from scripts.evaluation.logs import background_of
    from scripts.evaluation.printing import print_bots

    logs = [background_of(each) for each in log]
    print_bots(judged(logs, labels_of(labels), folds, seeds), output)


@evaluate.command()
def text(
    train: Values,
    test: MoreValues = None,
    folds: Folds = 5,
    seeds: Seeds = 5,
    output: OutputOption = Output.TEXT,
) -> None:
    """Tell attacks from ordinary values by their characters: precision, recall, F1, by kind.

    \b
    Examples:
      centinela evaluate text --train values.csv -o json
    """
    from models.text_artifacts import text_champion_of
    from scripts.evaluation.labelled import labelled_of
    from scripts.evaluation.printing import print_texts
    from scripts.evaluation.text import judged

    held_out = labelled_of(test) if test else None
    champion = text_champion_of("access")
    print_texts(judged(labelled_of(train), held_out, champion, folds, seeds), output)
