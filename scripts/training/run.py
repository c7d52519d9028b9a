"""From a request to an artifact on disk and the figures that came of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from models.artifacts import Champion, Manifest, opened, save
from models.candidates import Compared, compared
from models.catalog import pack_named
from models.dataset import Dataset, Labels, dataset_of, simulated
from models.errors import InvalidSource
from models.manifests import CHAMPIONS
from models.pack import DomainPack
from models.text_artifacts import TextChampion
from models.training import EVENTS, SEED, fitted, judged, metrics_of, shipped_text
from models.tuning import require_labels, tuned
from producer.history import History, of_files, of_topic
from producer.labels import labels_of
from producer.records import events_topic
from producer.retained import KafkaRetained
from producer.settings import Connections
from scripts.training.request import SIMULATOR, TOPIC, Request


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a training.

    Args:
        folder: Where the artifact lies.
        unreadable: Lines of the source that were no event.
        skipped: Events left out: repeats, invalid ones, and those too late to be folded.
        windows: Name to the number of its events.
        metrics: Of each window after the training's, by what is written into the artifact too.
        untuned: With labels, the same of the forest alone.
        manifest: The artifact's own; its metrics are of both windows together.
    """

    folder: str
    source: str
    unreadable: int
    skipped: int
    windows: Mapping[str, int]
    metrics: Mapping[str, Mapping[str, float]]
    untuned: Mapping[str, Mapping[str, float]] | None
    candidates: tuple[Compared, ...]
    manifest: Manifest


def run(request: Request) -> Trained:
    """Read, fit, measure and save.

    Raises:
        InvalidSource: What was asked for cannot be read or learned from.
        Unavailable: Kafka did not answer.
    """
    pack, seed = pack_named(request.pack), SEED if request.seed is None else request.seed
    given = labels_of(request.labels) if request.labels else Labels()
    data, unreadable = _read(request, pack, seed, given)
    if request.labels:
        require_labels(data)
    text = shipped_text(pack)
    model, manifest = fitted(pack, data, seed, text)
    candidates = tuple(compared(data, manifest, seed)) if request.candidates else ()
    figures, untuned = _by_window(pack, data, opened(model, manifest, text)), None
    if request.labels:
        model, manifest = tuned(pack, data, model, manifest, seed, text)
        figures, untuned = _by_window(pack, data, opened(model, manifest, text)), figures
    folder = request.out or CHAMPIONS / pack.name
    _save(folder, model, manifest, text)
    return Trained(
        folder=str(folder),
        source=data.source,
        unreadable=unreadable,
        skipped=data.skipped,
        windows={name: window.stop - window.start for name, window in data.windows.named},
        metrics=figures,
        untuned=untuned,
        candidates=candidates,
        manifest=manifest,
    )


def _read(request: Request, pack: DomainPack, seed: int, given: Labels) -> tuple[Dataset, int]:
    if request.sources == (SIMULATOR,):
        return simulated(pack, seed, request.events or EVENTS, given), 0
    if request.sources == (TOPIC,):
        history = _of_topic(request.kafka or Connections().kafka, pack)
    else:
        history = of_files(request.sources)
    if given.by_line and not any(arrival.line for arrival in history.arrivals):
        raise InvalidSource("labels: lines are those of a single log; name events by event_id")
    return dataset_of(pack, history.arrivals, history.name, given), history.unreadable


def _of_topic(kafka: str, pack: DomainPack) -> History:
    retained = KafkaRetained(kafka, events_topic(pack.name))
    try:
        return of_topic(retained, pack)
    finally:
        retained.close()


def _by_window(pack: DomainPack, data: Dataset, champion: Champion) -> dict[str, dict[str, float]]:
    score, action = judged(pack, champion, data)
    return {
        name: metrics_of(data, score, action, window)
        for name, window in data.windows.named
        if window != data.windows.train
    }


def _save(folder: Path, model: bytes, manifest: Manifest, text: TextChampion | None) -> None:
    try:
        save(folder, model, manifest, text)
    except OSError as error:
        raise InvalidSource(f"{folder}: cannot be written: {error.strerror}") from error
