"""Compiled code in several files: kept on disk, and compiled again when any of them changes.

numba's cache looks at a function's own file only. A kernel holds a copy of all that it calls, so
after an edit elsewhere it would go on running the old code, over memory laid out for the new.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")

NJIT = cast("Any", njit)
"""numba's stubs do not know `_nrt`."""

OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}


def allocating(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that makes arrays, or hands them on."""
    return cast("Callable[P, R]", stamped(NJIT(**OPTIONS)(function)))


def in_place(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function without counting references: six times faster where arrays are many.

    It must not make arrays, nor return or keep one: nobody would own it. Whoever calls it holds
    those that it is given.
    """
    return cast("Callable[P, R]", stamped(NJIT(**OPTIONS, _nrt=False)(function)))


def stamped(dispatcher: Any) -> Any:  # numba's own object; its cache has no public face
    """Make the cached code's validity hang on every source of this folder."""
    dispatcher._cache._cache_file._source_stamp = sources()
    return dispatcher


@cache
def sources() -> str:
    digest = blake2b(digest_size=16)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
