"""Bodies of `POST /analyze` into typed events, strictly; a bad event does not fail the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec

from api import media
from api.batch import MAX_ID_CHARS, Batch, Item, Rejected, check_size, judged
from api.faults import Fault, fault_of, fault_of_rule
from api.problems import Problem
from api.syntax import broken
from models.errors import InvalidEvent
from models.pack import DomainPack
from models.packs.access.events import AccessEvent
from producer.formats import parse_access_line

DEFAULT_PACK = "access"

BROKEN = (ValueError, RecursionError)
"""All that msgspec raises: bad JSON, bad UTF-8, a wrong type, too deep a nesting."""

POST = (media.JSON, media.NDJSON, media.TEXT)


class RawEnvelope(msgspec.Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]
    pack: str | None = None


class PackName(msgspec.Struct):
    pack: str | None = None


class PackDecoder:
    """Compiled decoders for a pack's events: all at once, or one at a time to find the bad one."""

    def __init__(self, pack: DomainPack) -> None:
        several: Any = cast(Any, list)[pack.event]
        envelope = msgspec.defstruct(
            "Envelope",
            [("events", several), ("pack", str | None, None)],
            forbid_unknown_fields=True,
        )
        self.pack = pack
        self._list = msgspec.json.Decoder(several)
        self._envelope = msgspec.json.Decoder(cast(Any, envelope))
        self._one = msgspec.json.Decoder(pack.event)

    def json(self, body: bytes, limit: int) -> Sequence[Item]:
        try:
            if is_list(body):
                return cast("list[Item]", self._list.decode(body))
            return cast("list[Item]", self._envelope.decode(body).events)
        except BROKEN:
            return self._each(raw_events(body), limit)

    def lines(self, body: bytes, limit: int) -> Sequence[Item]:
        lines = filled(body)
        try:
            events = self._one.decode_lines(body)
        except BROKEN:
            return self._each(lines, limit)
        # The decoder also takes an event broken over lines, and several on one.
        return events if len(events) == len(lines) else self._each(lines, limit)

    def _each(self, raws: Sequence[bytes | msgspec.Raw], limit: int) -> list[Item]:
        check_size(len(raws), limit)
        return [self._event(raw, i) for i, raw in enumerate(raws)]

    def _event(self, raw: bytes | msgspec.Raw, index: int) -> Item:
        try:
            return self._one.decode(raw)
        except msgspec.ValidationError as error:
            return Rejected(given_id(raw), fault_of(str(error), index))
        except BROKEN as error:
            return Rejected(None, broken(bytes(raw), error, f"/events/{index}"))


class Reader:
    """Reads the bodies of all packs.

    Args:
        packs: By name.
        limit: Events of a batch.
    """

    def __init__(self, packs: Mapping[str, DomainPack], limit: int) -> None:
        self._decoders = {name: PackDecoder(pack) for name, pack in packs.items()}
        self._limit = limit

    def read(self, content_type: str, body: bytes, pack: str | None, batch_id: str) -> Batch:
        """The batch in a body, under an id.

        Args:
            pack: Named in the query; a JSON body may name it as well, `access` is the default.

        Raises:
            Problem: There is no batch, or nothing in it can be judged.
        """
        media_type = media.type_of(content_type, POST)
        media.refuse_marks(body)
        if media_type == media.JSON:
            decoder = self.decoder(self._pack_of(body, pack))
            items = decoder.json(body, self._limit)
        elif media_type == media.NDJSON:
            decoder = self.decoder(pack)
            items = decoder.lines(body, self._limit)
        elif pack in (None, "access"):
            decoder = self.decoder("access")
            items = access_lines(body, self._limit)
        else:
            raise media.unsupported(POST, "text/plain is for access-log lines alone")
        check_size(len(items), self._limit)
        return judged(decoder.pack, items, batch_id)

    def decoder(self, pack: str | None) -> PackDecoder:
        try:
            return self._decoders[DEFAULT_PACK if pack is None else pack]
        except KeyError:
            raise unknown_pack(self._decoders) from None

    def _pack_of(self, body: bytes, named: str | None) -> str | None:
        """The pack that a JSON body and the query agree upon."""
        if is_list(body):
            return named
        try:
            inside = msgspec.json.decode(body, type=PackName).pack
        except BROKEN:
            return named  # the full decoding says what is wrong
        if None not in (named, inside) and named != inside:
            raise Problem(400, "invalid-parameter", "the query and the body name different packs")
        return named if inside is None else inside


def unknown_pack(known: Iterable[str]) -> Problem:
    return Problem(404, "unknown-pack", f"there is no such pack, only {', '.join(known)}")


def is_list(body: bytes) -> bool:
    return body[:64].lstrip()[:1] == b"["


def raw_events(body: bytes) -> list[msgspec.Raw]:
    """The pieces of a body that is not as it should be, if it is a batch at all."""
    try:
        if is_list(body):
            return msgspec.json.decode(body, type=list[msgspec.Raw])
        return msgspec.json.decode(body, type=RawEnvelope).events
    except msgspec.ValidationError as error:
        raise Problem(
            422,
            "invalid-batch",
            'expected {"events": [...]} or [...]',
            errors=[fault_of(str(error))],
        ) from None
    except BROKEN as error:
        raise no_json(broken(body, error)) from None


def no_json(fault: Fault) -> Problem:
    detail = f"the body is not valid JSON: {fault.detail}"
    return Problem(400, "invalid-json", detail, errors=[fault])


def filled(body: bytes) -> list[bytes]:
    """The lines of a body that hold anything."""
    return [line for line in body.splitlines() if line.strip()]


def access_lines(body: bytes, limit: int) -> list[Item]:
    lines = filled(body)
    check_size(len(lines), limit)
    return [access_line(line, i) for i, line in enumerate(lines)]


def access_line(line: bytes, index: int) -> Item:
    try:
        return parse_access_line(line.decode())
    except UnicodeDecodeError:
        return Rejected(None, Fault("not UTF-8", f"/events/{index}"))
    except InvalidEvent as error:
        return Rejected(None, fault_of_rule(str(error), index, AccessEvent.__struct_fields__))


class Identified(msgspec.Struct):
    event_id: str | None = None


def given_id(raw: bytes | msgspec.Raw) -> str | None:
    """The id of an event that is otherwise not as it should be."""
    try:
        given = msgspec.json.decode(raw, type=Identified).event_id
    except BROKEN:
        return None
    return given if given and len(given) <= MAX_ID_CHARS else None
