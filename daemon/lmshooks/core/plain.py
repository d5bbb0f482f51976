"""Is this an event, told without taking it apart? Nearly every one is plain, and no object of its `data` is ever made.

    bytes ──> msgspec walks over all of it, and makes an object of id, name and time alone ──> Plain
          └─> anything out of the common: None, and `core.events` takes it apart, member by member

What is plain is an event by all of `core.events`' rules: its five members are of the right kinds, `eventId` and
`eventName` stand in it once, and the whole is JSON in UTF-8. Of what orjson refuses, plain events may hold one thing: a
number beyond a double (`1e400`), which JSON allows. None says nothing: it may still be an event.
"""

from __future__ import annotations

from msgspec import UNSET, DecodeError, Struct, UnsetType
from msgspec.json import Decoder

SHALLOW = 2048
"""Bytes that cannot be nested as deeply as orjson takes apart (1,024), each level being two of them."""
NESTED = 500
"""Arrays and objects in a larger event, at most."""
_BACKSLASH = 0x5C


class _Object(Struct, gc=False):
    """Any object, passed over."""


class Plain(Struct, rename="camel", gc=False):
    """What everybody wants to know of an event."""

    event_id: str
    event_name: str
    timestamp: str | int | float
    data: _Object
    event_info: str | UnsetType | None = UNSET


_decode = Decoder(Plain).decode


def plain(raw: bytes) -> Plain | None:
    """What the bytes of one event say, where nothing about them is out of the common."""
    # An escape may spell a member's name, or half a character.
    if _BACKSLASH in raw:
        return None
    try:
        seen = _decode(raw)
        # What is passed over is not looked at for its characters.
        if not raw.isascii():
            raw.decode()
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not seen.event_id or not seen.event_name:
        return None
    # Of two members of one name the last is kept here; the listener may keep the first.
    if raw.count(b'"event') != (2 if seen.event_info is UNSET else 3):
        return None
    if len(raw) > SHALLOW and raw.count(b"[") + raw.count(b"{") > NESTED:
        return None
    return seen
