"""Which names are sent at once, and who has the last word."""

from __future__ import annotations

import pytest

from lmshooks.core.catalogue import CATALOGUE, Cadence, Cadences, cadence_of

NOW, LATER = Cadence.REAL_TIME, Cadence.WINDOWED


def test_alm_names_31_events_of_which_13_wait() -> None:
    assert len(CATALOGUE) == 31
    waiting = {name for name, entry in CATALOGUE.items() if entry.cadence is LATER}
    assert len(waiting) == 13
    assert {name for name in waiting if not name.endswith("_BATCH")} == {"LEARNER_PROGRESS"}
    assert not [name for name in CATALOGUE.keys() - waiting if name.endswith("_BATCH")]


def test_every_batch_name_has_its_twin() -> None:
    assert {name.removesuffix("_BATCH") for name in CATALOGUE} <= CATALOGUE.keys()


def test_every_entry_says_when_it_fires() -> None:
    assert all(entry.fires_when and entry.fires_when[0].islower() for entry in CATALOGUE.values())


@pytest.mark.parametrize(
    ("name", "overrides", "expected"),
    [
        ("LEARNER_PROGRESS", {}, LATER),
        ("RESPONSE:ASYNCAPI_USERGROUP_USER_ADDED", {}, NOW),
        ("SKILL_EARNED", {}, NOW),
        ("SKILL_EARNED_BATCH", {}, LATER),
        ("LEARNER_PROGRESS", {"LEARNER_PROGRESS": NOW}, NOW),
        ("LEARNER_PROGRESS", {"LEARNER_*": LATER, "LEARNER_PROGRESS": NOW}, NOW),
        ("LEARNER_PROGRESS", {"LEARNER_PROGRESS*": NOW, "*": LATER}, NOW),
        ("LEARNER_PROGRESS", {"*": LATER, "LEARNER_PROGRESS*": NOW}, NOW),
        ("LEARNER_PROGRESS", {"learner_*": NOW}, LATER),
        ("COURSE_COMPLETED", {"COURSE_?OMPLETED": LATER, "COURSE_[C]*": NOW}, LATER),
        ("COURSE_COMPLETED", {"*_COMPLETED": LATER, "COURSE_COM*": NOW}, LATER),
    ],
)
def test_exact_before_longest_glob_before_catalogue_before_the_names_end(
    name: str, overrides: dict[str, Cadence], expected: Cadence
) -> None:
    assert cadence_of(name, overrides) is expected
    assert cadence_of(name, dict(reversed(overrides.items()))) is expected
    remembered = Cadences(overrides)
    assert remembered.of(name) is remembered.of(name) is expected


def test_made_up_names_do_not_fill_the_memory() -> None:
    cadences = Cadences({})
    for number in range(Cadences.REMEMBERED + 5):
        cadences.of(str(number))
    assert len(cadences._known) <= Cadences.REMEMBERED
