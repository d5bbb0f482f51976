"""What is in `data`, by event name? The members that ALM's published samples show, as a table.

The daemon asks only that `data` is an object (`core/events.py`) and carries what is in it unchanged. So this table is
what an LMS that follows ALM writes, and what its listeners may count on; members beyond it are allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from lmshooks.core.catalogue import CATALOGUE

Schema = dict[str, Any]


def _text(description: str, *examples: str) -> Schema:
    return {"type": "string", "description": description, "examples": list(examples)}


def _time(description: str) -> Schema:
    return {
        "type": ["string", "integer"],
        "description": f"{description}: ISO 8601 in UTC; seconds since the epoch in ALM's first form.",
        "examples": ["2026-01-20T05:48:10.000Z", 1727414643],
    }


def _count(description: str) -> Schema:
    return {"type": "integer", "description": description}


_ASKED = {
    "type": "object",
    "description": "What was asked for, as the caller wrote it.",
    "properties": {
        "metadata": {"type": "object", "description": "The caller's own, with `event_id` among it."},
        "data": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"type": {"type": "string"}, "id": {"type": "string"}},
                "required": ["type", "id"],
            },
        },
    },
    "required": ["metadata", "data"],
}

_MEMBERS: dict[str, Schema] = {
    "userId": _count("The learner."),
    "loId": _text("The learning object.", "course:7374992", "learningProgram:157165"),
    "loInstanceId": _text("Its instance. The number in it need not be that of `loId`.", "course:7376092_10250977"),
    "loType": _text("Which kind of learning object; an open list.", "course", "learningProgram", "certification"),
    "enrollmentSource": _text("Who enrolled the learner; an open list.", "SELF_ENROLL", "ADMIN_ENROLL"),
    "dateEnrolled": _time("When the learner was enrolled"),
    "dateCompleted": _time("When it was completed"),
    "dateStarted": _time("When the learner began"),
    "hasPassed": {"type": "boolean"},
    "progressPercent": {"type": "integer", "minimum": 0, "maximum": 100},
    "waitlistCount": _count("Learners who wait for a seat."),
    "enrollmentCount": _count("Seats that are taken."),
    "seatLimit": _count("Seats in all."),
    "status": _text("How it ended; an open list.", "SUCCESS"),
    "request": _ASKED,
}

_OBJECT = ("loId", "loType")
_INSTANCE = ("loInstanceId", *_OBJECT)
_ENROLLED = ("userId", "loId", "loInstanceId", "loType", "enrollmentSource")

_FAMILIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("CI_STATS", ("loInstanceId", "waitlistCount", "enrollmentCount", "seatLimit")),
    ("LEARNER_PROGRESS", ("loId", "loType", "userId", "loInstanceId", "dateStarted", "progressPercent")),
    ("RESPONSE:", ("status", "request")),
    ("LEARNING_OBJECT_INSTANCE_", _INSTANCE),
    ("LEARNING_OBJECT_", _OBJECT),
    ("CERTIFICATION_COMPLETED", (*_ENROLLED, "dateCompleted")),
    ("_COMPLETED", (*_ENROLLED, "dateCompleted", "hasPassed")),
    ("_UNENROLLMENT", _ENROLLED),
    ("_ENROLLMENT", (*_ENROLLED, "dateEnrolled")),
    ("_COMPLETION_ROLLBACK", (*_ENROLLED, "dateEnrolled")),
)
"""A part of the name -> the members that every sample of the family has; the first part that fits counts."""


def _members_of(name: str) -> tuple[str, ...]:
    return next(members for part, members in _FAMILIES if part in name)


MEMBERS: Mapping[str, tuple[str, ...]] = MappingProxyType({name: _members_of(name) for name in CATALOGUE})
"""Event name -> the members of its `data`, all of them required."""


def data_of(name: str) -> Schema:
    """The schema of `data` in an event of the catalogue. Raises KeyError for any other name."""
    members = MEMBERS[name]
    return {
        "type": "object",
        "properties": {member: _MEMBERS[member] for member in members},
        "required": list(members),
    }
