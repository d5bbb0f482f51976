"""What does an event of a given name look like? Made-up events, shaped as ALM's published samples.

Two families are named after what happened to a learner, two after what happened to a learning object. Within one
account the same few courses come up again and again, as they do in life. Pure: time and chance are arguments.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Account = int | str

_COURSE, _PATH, _CERTIFICATION = "course", "learningProgram", "certification"

_KINDS = {"COURSE": _COURSE, "LEARNING_PATH": _PATH, "CERTIFICATION": _CERTIFICATION}

OBJECTS_AN_ACCOUNT = 40
"""Learning objects of a kind that an account's events are about."""

MIX: dict[str, int] = {
    "COURSE_ENROLLMENT": 20,
    "COURSE_COMPLETED": 14,
    "COURSE_UNENROLLMENT": 2,
    "LEARNING_PATH_ENROLLMENT": 5,
    "LEARNING_PATH_COMPLETED": 3,
    "LEARNING_PATH_UNENROLLMENT": 1,
    "CERTIFICATION_ENROLLMENT": 3,
    "CERTIFICATION_COMPLETED": 2,
    "CERTIFICATION_UNENROLLMENT": 1,
    "LEARNING_PATH_COMPLETION_ROLLBACK": 1,
    "CI_STATS": 8,
    "LEARNING_OBJECT_DRAFT": 2,
    "LEARNING_OBJECT_DELETION": 1,
    "LEARNING_OBJECT_MODIFICATION": 3,
    "LEARNING_OBJECT_INSTANCE_MODIFICATION": 3,
    "LEARNING_OBJECT_INSTANCE_DELETION": 1,
    "LEARNER_PROGRESS": 30,
    "COURSE_ENROLLMENT_BATCH": 12,
    "COURSE_COMPLETED_BATCH": 5,
    "COURSE_UNENROLLMENT_BATCH": 2,
    "LEARNING_PATH_ENROLLMENT_BATCH": 4,
    "LEARNING_PATH_COMPLETED_BATCH": 2,
    "LEARNING_PATH_UNENROLLMENT_BATCH": 1,
    "CERTIFICATION_ENROLLMENT_BATCH": 3,
    "CERTIFICATION_COMPLETED_BATCH": 1,
    "CERTIFICATION_UNENROLLMENT_BATCH": 1,
    "LEARNING_PATH_COMPLETION_ROLLBACK_BATCH": 1,
    "LEARNING_OBJECT_MODIFICATION_BATCH": 2,
    "LEARNING_OBJECT_INSTANCE_MODIFICATION_BATCH": 2,
    "RESPONSE:ASYNCAPI_USERGROUP_USER_ADDED": 1,
    "RESPONSE:ASYNCAPI_USERGROUP_USER_REMOVED": 1,
}
"""How often each name comes up in a day of an LMS: every name of the catalogue, and its share."""


def make_event(name: str, account: Account, learner: int, now: float, rng: random.Random) -> dict[str, Any]:
    """One event of this name, as it stands in the envelope. `now` is seconds since the epoch.

    A name that is not in ALM's list gets `data` with a learner and a course, so that own events can be tried too.
    """
    event_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    milliseconds = int(now) * 1000
    event: dict[str, Any] = {
        "eventId": event_id,
        "eventName": name,
        "timestamp": _iso(now),
        "eventInfo": f"{milliseconds}-{rng.randrange(200_000):06d}-{rng.randrange(1_000_000)}-0",
    }
    if name.startswith("RESPONSE:"):
        event["eventInfo"] = event_id
        event["data"] = {
            "status": "SUCCESS",
            "request": {"metadata": {"event_id": event_id}, "data": [{"type": "user", "id": str(learner)}]},
        }
        return event
    if name == "CI_STATS":
        event["eventInfo"] = f"{int(now)}-LoSt"
    event["data"] = _data(name, account, learner, now, rng)
    return event


def envelope(account: Account, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """ALM's envelope: what a listener receives, and one of the two shapes a record may have."""
    return {"accountId": account, "events": list(events)}


def bare(account: Account, event: Mapping[str, Any]) -> dict[str, Any]:
    """The other shape of a record: one event with its account beside it."""
    return {"accountId": account, **event}


def _data(name: str, account: Account, learner: int, now: float, rng: random.Random) -> dict[str, Any]:
    kind = next((kind for prefix, kind in _KINDS.items() if name.startswith(prefix + "_")), _COURSE)
    if name.startswith("LEARNING_OBJECT"):
        kind = rng.choice((_COURSE, _COURSE, _COURSE, _PATH, _CERTIFICATION))
    if name == "LEARNING_OBJECT_INSTANCE_DELETION":
        kind = _COURSE
    number = _stable(account) * 1000 + rng.randrange(OBJECTS_AN_ACCOUNT)
    lo_id, instance_id = f"{kind}:{number}", f"{kind}:{number}_{number * 2 + 1}"
    if name == "CI_STATS":
        limit = rng.choice((10, 20, 30, 50))
        taken = rng.randint(0, limit)
        waiting = rng.randint(0, 5) if taken == limit else 0
        return {
            "loInstanceId": instance_id,
            "waitlistCount": waiting,
            "enrollmentCount": taken,
            "seatLimit": limit,
        }
    if name.startswith("LEARNING_OBJECT_INSTANCE"):
        return {"loInstanceId": instance_id, "loId": lo_id, "loType": kind}
    if name.startswith("LEARNING_OBJECT"):
        return {"loId": lo_id, "loType": kind}
    if name == "LEARNER_PROGRESS":
        return {
            "loId": lo_id,
            "loType": kind,
            "userId": learner,
            "loInstanceId": instance_id,
            "dateStarted": _iso(now - rng.randrange(60, 86_400)),
            "progressPercent": rng.randrange(1, 100),
        }
    data: dict[str, Any] = {
        "userId": learner,
        "loId": lo_id,
        "loInstanceId": instance_id,
        "loType": kind,
        "enrollmentSource": "ADMIN_ENROLL" if name.endswith("_BATCH") else "SELF_ENROLL",
    }
    if "_UNENROLLMENT" in name:
        return data
    if "_COMPLETED" in name:
        data["dateCompleted"] = _iso(now)
        if kind != _CERTIFICATION:
            data["hasPassed"] = rng.random() < 0.9
        return data
    data["dateEnrolled"] = _iso(now - rng.randrange(60, 3600) if "_ROLLBACK" in name else now)
    return data


def _stable(account: Account) -> int:
    """A number of the account's own, the same in every process."""
    text = str(account)
    return int(text) % 100_000 if text.isdecimal() else sum(text.encode()) % 100_000


def _iso(at: float) -> str:
    """ALM's form of a time: UTC, with milliseconds that are always zero."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
