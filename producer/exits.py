"""How a command ends: the number that the shell sees."""

from __future__ import annotations

from enum import IntEnum
from typing import Self

from models.errors import DetectionError, Unavailable


class Exit(IntEnum):
    """Exit codes of every command; `meaning` is what the reference says."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    OK = 0, "It is done, and what was looked at is right."
    NOT_RIGHT = (
        1,
        "What was looked at is not right: events are missing, a check failed, the stack is not "
        "ready, or there is no such event, client or dead letter.",
    )
    USER_ERROR = 2, "The call, a setting, a file or this machine cannot be used as it is."
    UNAVAILABLE = 3, "Kafka, Redis or the API does not answer; the same call may work later."
    BUG = 70, "A fault of ours, with a traceback; please report it."
    INTERRUPTED = 130, "Ctrl-C."
    READER_GONE = 141, "Whoever read the output has gone, as `head` does; nothing is wrong."


def exit_of(error: DetectionError) -> Exit:
    return Exit.UNAVAILABLE if isinstance(error, Unavailable) else Exit.USER_ERROR
