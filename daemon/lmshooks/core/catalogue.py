"""Which events are there, and which of them are sent at once?

The names are Adobe Learning Manager's. What a learner does is sent at once; what an administrator, a manager or the
platform does for many learners (`..._BATCH`), and progress, is sent when a window closes. A producer's own names need
no entry: those that end in `_BATCH` are windowed, all others real-time, and configuration may say otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import NamedTuple


class Cadence(StrEnum):
    """When is an event sent: at once, or when its window closes?"""

    REAL_TIME = "real-time"
    WINDOWED = "windowed"


class Entry(NamedTuple):
    """One event name."""

    cadence: Cadence
    fires_when: str


def _table() -> dict[str, Entry]:
    now, later = Cadence.REAL_TIME, Cadence.WINDOWED
    return {
        "CI_STATS": Entry(now, "the seats or the waiting list of a course instance change"),
        "COURSE_ENROLLMENT": Entry(now, "a learner enrols in a course"),
        "COURSE_COMPLETED": Entry(now, "a learner completes a course"),
        "COURSE_UNENROLLMENT": Entry(now, "a learner leaves a course"),
        "LEARNING_PATH_ENROLLMENT": Entry(now, "a learner enrols in a learning path"),
        "LEARNING_PATH_COMPLETED": Entry(now, "a learner completes a learning path"),
        "LEARNING_PATH_UNENROLLMENT": Entry(now, "a learner leaves a learning path"),
        "LEARNING_PATH_COMPLETION_ROLLBACK": Entry(now, "a learner refreshes their completion of a learning path"),
        "CERTIFICATION_ENROLLMENT": Entry(now, "a learner enrols in a certification"),
        "CERTIFICATION_COMPLETED": Entry(now, "a learner completes a certification"),
        "CERTIFICATION_UNENROLLMENT": Entry(now, "a learner leaves a certification"),
        "LEARNING_OBJECT_DRAFT": Entry(now, "a learning object is created as a draft, or the draft is edited"),
        "LEARNING_OBJECT_DELETION": Entry(now, "a learning object is deleted"),
        "LEARNING_OBJECT_MODIFICATION": Entry(now, "a learning object is published, edited after that, or retired"),
        "LEARNING_OBJECT_INSTANCE_MODIFICATION": Entry(now, "an instance is created, edited or retired"),
        "LEARNING_OBJECT_INSTANCE_DELETION": Entry(now, "an instance is deleted"),
        "RESPONSE:ASYNCAPI_USERGROUP_USER_ADDED": Entry(now, "an asynchronous addition to a user group is finished"),
        "RESPONSE:ASYNCAPI_USERGROUP_USER_REMOVED": Entry(now, "an asynchronous removal from a user group is finished"),
        "LEARNER_PROGRESS": Entry(later, "a learner gets on in a course or learning path"),
        "COURSE_ENROLLMENT_BATCH": Entry(later, "learners are enrolled in a course"),
        "COURSE_COMPLETED_BATCH": Entry(later, "a course is marked complete for learners"),
        "COURSE_UNENROLLMENT_BATCH": Entry(later, "learners are taken off a course"),
        "LEARNING_PATH_ENROLLMENT_BATCH": Entry(later, "learners are enrolled in a learning path"),
        "LEARNING_PATH_COMPLETED_BATCH": Entry(later, "a learning path is marked complete for learners"),
        "LEARNING_PATH_UNENROLLMENT_BATCH": Entry(later, "learners are taken off a learning path"),
        "LEARNING_PATH_COMPLETION_ROLLBACK_BATCH": Entry(later, "an administrator refreshes learners' completions"),
        "CERTIFICATION_ENROLLMENT_BATCH": Entry(later, "learners are enrolled in a certification"),
        "CERTIFICATION_COMPLETED_BATCH": Entry(later, "a certification is marked complete for learners"),
        "CERTIFICATION_UNENROLLMENT_BATCH": Entry(later, "learners are taken off a certification"),
        "LEARNING_OBJECT_MODIFICATION_BATCH": Entry(later, "a migration creates or changes a learning object"),
        "LEARNING_OBJECT_INSTANCE_MODIFICATION_BATCH": Entry(later, "a migration creates or changes an instance"),
    }


CATALOGUE: Mapping[str, Entry] = MappingProxyType(_table())

_KNOWN: dict[str, Cadence] = {name: entry.cadence for name, entry in CATALOGUE.items()}


def cadence_of(name: str, overrides: Mapping[str, Cadence]) -> Cadence:
    """The cadence of an event name: an exact override, the longest glob that matches, the catalogue, the name's end.

    Of two globs of one length that both match, the one that sorts first wins, so that the order of a file's lines
    means nothing.
    """
    if overrides:
        exact = overrides.get(name)
        if exact is not None:
            return exact
        matching = [pattern for pattern in overrides if fnmatchcase(name, pattern)]
        if matching:
            return overrides[min(matching, key=lambda pattern: (-len(pattern), pattern))]
    known = _KNOWN.get(name)
    if known is not None:
        return known
    return Cadence.WINDOWED if name.endswith("_BATCH") else Cadence.REAL_TIME


class Cadences:
    """`cadence_of` for one set of overrides, remembered by name: it is asked for every event."""

    __slots__ = ("_known", "_overrides")

    REMEMBERED = 10_000
    """Names, at most: a producer that makes up names must not fill the memory."""

    def __init__(self, overrides: Mapping[str, Cadence]) -> None:
        self._overrides = dict(overrides)
        self._known: dict[str, Cadence] = {}

    def of(self, name: str) -> Cadence:
        """The cadence of an event name."""
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= self.REMEMBERED:
                self._known.clear()
            known = self._known[name] = cadence_of(name, self._overrides)
        return known
