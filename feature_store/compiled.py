"""The one place where numba enters: compiled code that keeps its Python types."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile to machine code, cached on disk beside the source.

    No fastmath: a sum must give the same bits wherever and however often it is computed.
    """
    return cast("Callable[P, R]", njit(cache=True, nogil=True)(function))
