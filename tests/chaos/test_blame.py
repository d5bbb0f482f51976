"""Is a change of hands put down to what caused it? A claim after another's, and what was done before it."""

from __future__ import annotations

import pytest

from tests.chaos.blame import Blame
from tests.chaos.histories import Faulted
from tests.chaos.state_history import Claim
from tests.chaos.verdicts import Way

BEFORE, CLAIM = Claim(0.0, 0, "host-a", 0.0), Claim(100.0, 9, "host-b", 0.0)
NAMES = {"host-a": "a.1", "host-b": "b.1"}


def done(kind: str, target: str = "", began: float = 95.0, ended: float = 99.0) -> Faulted:
    return Faulted(began, ended, kind, target)


@pytest.mark.parametrize(
    ("faults", "way"),
    [
        ([], Way.NOTHING),
        ([done("kill", "a")], Way.KILLED),
        ([done("kill", "a", 20.0, 30.0)], Way.NOTHING),
        ([done("kill", "b")], Way.HANDED),
        ([done("sleep", "a", 80.0, 90.0), done("listener 500", "every")], Way.ASLEEP),
        ([done("stop", "a")], Way.STOPPED),
        ([done("rolling restart")], Way.STOPPED),
        ([done("stop", "a"), done("all brokers gone")], Way.STOPPED_ALONE),
        ([done("stop", "a"), done("Kafka's network slow", "a")], Way.STOPPED_ALONE),
        ([done("Kafka's network cut", "a")], Way.ALONE),
        ([done("Kafka's network cut", "b")], Way.NOTHING),
        ([done("controller killed"), done("kill", "b")], Way.BROKERS),
        ([done("partition added")], Way.HANDED),
    ],
)
def test_a_change_of_hands_has_the_nearest_reason(faults: list[Faulted], way: Way) -> None:
    assert Blame(faults, NAMES).way(BEFORE, CLAIM) is way


def test_a_fault_is_found_however_long_ago_it_began() -> None:
    faults = [done("listener hangs", "every", 0.0, 50.0), *(done("kill", "a", 10.0 + n, 11.0 + n) for n in range(5))]
    blame = Blame(faults, NAMES)
    assert blame.faulty(45.0, 46.0, "every")
    assert not blame.faulty(51.0, 52.0, "every", "a.1")
    assert blame.faulty(14.5, 14.6, "a.1")


def test_an_answer_was_disturbed_by_what_was_last_done_to_its_listener_or_else_to_its_sender() -> None:
    faults = [done("listener resets", "every"), done("listener hangs", "every", 97.0, 98.0), done("kill", "a", 98.0)]
    blame = Blame(faults, NAMES)
    assert blame.disturbed(96.0, 99.0, "every", "a.1") == "listener hangs"
    assert blame.disturbed(96.0, 99.0, "other", "a.1") == "kill"
    assert blame.disturbed(96.0, 99.0, "other", "b.1") == "nothing was done to either then"


def test_an_answer_is_unheard_where_the_sender_slept_but_not_where_it_was_killed() -> None:
    blame = Blame([done("sleep", "a"), done("kill", "b")], NAMES)
    assert blame.unheard(96.0, 97.0, "every", "a.1")
    assert not blame.unheard(96.0, 97.0, "every", "b.1")
