"""Made-up events against ALM's published shapes."""

from __future__ import annotations

import json
import random
import re

import pytest

from lmshooks import samples

ENROLLED = ["userId", "loId", "loInstanceId", "loType", "enrollmentSource", "dateEnrolled"]
COMPLETED = ["userId", "loId", "loInstanceId", "loType", "enrollmentSource", "dateCompleted", "hasPassed"]
LEFT = ["userId", "loId", "loInstanceId", "loType", "enrollmentSource"]
OBJECT = ["loId", "loType"]
INSTANCE = ["loInstanceId", "loId", "loType"]

SHAPES = {
    "CI_STATS": ["loInstanceId", "waitlistCount", "enrollmentCount", "seatLimit"],
    "LEARNER_PROGRESS": ["loId", "loType", "userId", "loInstanceId", "dateStarted", "progressPercent"],
    "LEARNING_OBJECT_DRAFT": OBJECT,
    "LEARNING_OBJECT_DELETION": OBJECT,
    "LEARNING_OBJECT_MODIFICATION": OBJECT,
    "LEARNING_OBJECT_MODIFICATION_BATCH": OBJECT,
    "LEARNING_OBJECT_INSTANCE_MODIFICATION": INSTANCE,
    "LEARNING_OBJECT_INSTANCE_MODIFICATION_BATCH": INSTANCE,
    "LEARNING_OBJECT_INSTANCE_DELETION": INSTANCE,
    "RESPONSE:ASYNCAPI_USERGROUP_USER_ADDED": ["status", "request"],
    "RESPONSE:ASYNCAPI_USERGROUP_USER_REMOVED": ["status", "request"],
    "LEARNING_PATH_COMPLETION_ROLLBACK": ENROLLED,
    "LEARNING_PATH_COMPLETION_ROLLBACK_BATCH": ENROLLED,
}
for subject in ("COURSE", "LEARNING_PATH", "CERTIFICATION"):
    for end in ("", "_BATCH"):
        SHAPES[f"{subject}_ENROLLMENT{end}"] = ENROLLED
        SHAPES[f"{subject}_UNENROLLMENT{end}"] = LEFT
        SHAPES[f"{subject}_COMPLETED{end}"] = COMPLETED[:-1] if subject == "CERTIFICATION" else COMPLETED

NOW = 1_768_888_090.25


def make(name: str, seed: int = 1) -> dict[str, object]:
    return samples.make_event(name, 1010, 4279332, NOW, random.Random(seed))


def test_there_is_a_sample_of_every_name_that_alm_documents() -> None:
    assert len(SHAPES) == 31
    assert set(samples.MIX) == set(SHAPES)


def test_the_mix_names_what_the_catalogue_names() -> None:
    catalogue = pytest.importorskip("lmshooks.core.catalogue")
    assert set(samples.MIX) == set(catalogue.CATALOGUE)


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_the_data_has_the_keys_of_its_family_in_their_order(name: str) -> None:
    for seed in range(20):
        event = make(name, seed)
        assert list(event) == ["eventId", "eventName", "timestamp", "eventInfo", "data"]
        assert event["eventName"] == name
        assert event["timestamp"] == "2026-01-20T05:48:10.000Z"
        data = event["data"]
        assert isinstance(data, dict)
        assert list(data) == SHAPES[name]
        if "loId" in data:
            kind, _, number = data["loId"].partition(":")
            assert data["loType"] == kind
            assert number.isdecimal()
        if "loInstanceId" in data:
            assert re.fullmatch(r"(course|learningProgram|certification):\d+_\d+", data["loInstanceId"])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("LEARNING_PATH_COMPLETED", "learningProgram"),
        ("CERTIFICATION_COMPLETED", "certification"),
        ("COURSE_UNENROLLMENT_BATCH", "course"),
    ],
)
def test_the_kind_of_learning_object_follows_the_name(name: str, kind: str) -> None:
    data = make(name)["data"]
    assert isinstance(data, dict)
    assert data["loType"] == kind


def test_the_same_chance_gives_the_same_event_and_another_another() -> None:
    assert make("COURSE_ENROLLMENT", 3) == make("COURSE_ENROLLMENT", 3)
    assert make("COURSE_ENROLLMENT", 3)["eventId"] != make("COURSE_ENROLLMENT", 4)["eventId"]


def test_a_full_course_only_has_a_waiting_list() -> None:
    for seed in range(200):
        data = make("CI_STATS", seed)["data"]
        assert isinstance(data, dict)
        assert 0 <= data["enrollmentCount"] <= data["seatLimit"]
        assert data["waitlistCount"] == 0 or data["enrollmentCount"] == data["seatLimit"]


def test_both_shapes_of_a_record_carry_the_account_first() -> None:
    event = make("COURSE_ENROLLMENT")
    assert json.dumps(samples.envelope(1010, [event])).startswith('{"accountId": 1010, "events": [{"eventId"')
    assert json.dumps(samples.bare(1010, event)).startswith('{"accountId": 1010, "eventId"')


def test_a_name_of_ones_own_gets_a_learner_and_a_course() -> None:
    data = make("BADGE_EARNED")["data"]
    assert isinstance(data, dict)
    assert data["userId"] == 4279332
    assert data["loType"] == "course"


def test_an_account_that_is_no_number_works_too() -> None:
    assert samples.make_event("COURSE_ENROLLMENT", "acme", 1, NOW, random.Random(1))["data"]["loType"] == "course"
