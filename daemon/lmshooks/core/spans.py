"""Where in a JSON text does each value stand? Spans of text, of what was found to be JSON already.

orjson says whether a record is JSON, and what it holds; it does not say where. What is sent on is the text itself, so
the standard library's scanner walks over the members here, one after the other, and tells where each begins and ends.
"""

from __future__ import annotations

import re
from json import JSONDecoder
from typing import NamedTuple

# Numbers stay text: an integer of more than 4,300 digits would be an error here, and their values are not wanted.
_decoder = JSONDecoder(parse_int=str, parse_float=str)
_skip = re.compile(r"[ \t\r\n]*").match


class Member(NamedTuple):
    """A member of an object."""

    name: str
    start: int
    """Where its name begins."""
    value: int
    """Where its value begins."""
    end: int
    """Just past its value."""


def past_space(text: str, at: int) -> int:
    """Just past the white space at a place."""
    found = _skip(text, at)
    return at if found is None else found.end()


def members_of(text: str, at: int) -> list[Member]:
    """The members of the object that begins at a place in text that is JSON."""
    found: list[Member] = []
    at = past_space(text, at + 1)
    while text[at] != "}":
        start = at
        name, at = _decoder.raw_decode(text, start)
        value = past_space(text, past_space(text, at) + 1)
        _, end = _decoder.raw_decode(text, value)
        found.append(Member(name, start, value, end))
        at = past_space(text, end)
        if text[at] == ",":
            at = past_space(text, at + 1)
    return found


def elements_of(text: str, at: int) -> list[bytes]:
    """The bytes of each element of the array that begins at a place in text that is JSON."""
    found: list[bytes] = []
    at = past_space(text, at + 1)
    while text[at] != "]":
        _, end = _decoder.raw_decode(text, at)
        found.append(text[at:end].encode())
        at = past_space(text, end)
        if text[at] == ",":
            at = past_space(text, at + 1)
    return found


def without(text: str, begin: int, members: list[Member], place: int) -> bytes:
    """The object's bytes without one of its members and the one comma beside it."""
    member = members[place]
    start, end = member.start, member.end
    if place > 0:
        start = text.index(",", members[place - 1].end)
    elif len(members) > 1:
        end = text.index(",", end) + 1
    return (text[begin:start] + text[end:].rstrip(" \t\r\n")).encode()
