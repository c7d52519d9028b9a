"""Whether the model is the one that its manifest says, and whether the kernels are compiled."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from models.errors import InvalidArtifact, InvalidSource
from scripts.doctor.finding import Finding, State
from stream_agents.settings import AgentSettings

WARM = ".venv/bin/python -m stream_agents.warm"


def model() -> Iterator[Finding]:
    # numba and ONNX take a second to load.
    importlib.import_module("stream_agents.warm")
    from models.artifacts import champion_of

    settings = AgentSettings()
    yield champion(lambda: champion_of(settings.pack, settings.champion).version, settings.champion)
    yield kernels(cold(list(sys.modules.values())))


def champion(load: Callable[[], str], chosen: Path | None) -> Finding:
    """Args: load: Its version; raises what is wrong. chosen: The folder that was set."""
    try:
        return Finding("model", State.OK, f"{load()}, as its manifest says")
    except InvalidArtifact as error:
        repair = "unset CENTINELA_CHAMPION" if chosen else "git checkout models/champions"
        return Finding("model", State.FAILED, str(error), repair)
    except InvalidSource as error:
        return Finding("model", State.FAILED, str(error), "unset CENTINELA_PACK")


def kernels(missing: Sequence[str]) -> Finding:
    """Args: missing: Compiled functions that are not in the cache."""
    if missing:
        line = f"{len(missing)} are not compiled yet: the first start takes a minute longer"
        return Finding("kernels", State.WARNING, line, WARM)
    return Finding("kernels", State.OK, "are compiled")


def cold(modules: Sequence[ModuleType]) -> list[str]:
    """The functions of ours that numba would have to compile."""
    return [
        f"{module.__name__}.{name}"
        for module in modules
        if module.__name__.startswith(("feature_store.", "models."))
        for name, function in vars(module).items()
        if is_cold(function, module)
    ]


def is_cold(function: Any, module: ModuleType) -> bool:
    # numba's cache has no public face.
    cache = getattr(function, "_cache", None)
    of_this = getattr(getattr(function, "py_func", None), "__module__", "") == module.__name__
    return of_this and cache is not None and not cache._cache_file._load_index()
