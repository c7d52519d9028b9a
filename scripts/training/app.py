"""`centinela train`: a pack's model from the simulator, from logs, or from the pack's own topic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from producer.options import Kafka
from scripts.output import Output, OutputOption
from scripts.training.request import SIMULATOR, Request

SIMULATED = [SIMULATOR]

Pack = Annotated[str, typer.Argument(help="The domain: access.")]
Sources = Annotated[
    list[str],
    typer.Option(
        "--from",
        metavar="simulator|LOG|topic",
        help="What to learn from; repeatable for logs. `topic` is all that events.<pack> holds.",
    ),
]
Seed = Annotated[
    int | None, typer.Option(help="Of the simulator and of the fit; 7 if not given.", min=0)
]
Events = Annotated[
    int | None, typer.Option(min=1, help="How many to simulate; 200,000 if not given.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Where the artifact goes. Without seed, events, labels and --from: the shipped one.",
    ),
]
Candidates = Annotated[
    bool, typer.Option("--candidates", help="Also compare other detectors, on later events.")
]
Given = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="FILE",
        help="Labels to learn from, of a tenth of the events or more: CSV or NDJSON with "
        "event_id or line, and label, 1 for an attack.",
    ),
]


def train(
    pack: Pack = "access",
    source: Sources = SIMULATED,
    seed: Seed = None,
    events: Events = None,
    out: Out = None,
    candidates: Candidates = False,
    labels: Given = None,
    kafka: Kafka = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Fit a pack's model, and measure it on later events.

    The first 60 % of the events, by time, are fitted on; the next 20 % compare, the last 20 % test.
    Without options it is the shipped model, bit for bit. An agent serves another one when
    CENTINELA_CHAMPION names its folder.

    \b
    Examples:
      centinela train access --candidates
      centinela train access --from access.log.gz --out my-model
      centinela train access --from topic --labels known.csv --out my-model -o json
    """
    # scikit-learn takes seconds to load, and other commands need none of it.
    from scripts.training.printing import print_trained
    from scripts.training.run import run

    request = Request(pack, tuple(source), seed, events, out, candidates, labels, kafka)
    print_trained(run(request), output)
