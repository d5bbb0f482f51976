"""Does the checker see what it must? A small history that breaks no law, and one change for each that does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import orjson
import pytest

from tests.chaos.checker import judge
from tests.chaos.histories import (
    Acknowledged,
    Faulted,
    Histories,
    Lettered,
    Lived,
    Logged,
    Recorded,
    Sampled,
    Taken,
    Versioned,
    content_of,
)
from tests.chaos.specs import Spec, Version
from tests.chaos.verdicts import Cause, Way, Wrong

VERSION = Version((Spec("all"), Spec("strict", account=5)))
BEGAN = 1_000_010.0


def logged(number: int, offset: int, account: int = 1, name: str = "COURSE_COMPLETED", poison: bool = False) -> Logged:
    return Logged(0, offset, 0, number, account, name, 1, 5, poison, BEGAN + number, 1000 + number)


LOG = [
    logged(0, 0), logged(1, 1), logged(2, 2), logged(3, 3, name="LEARNER_PROGRESS"), logged(4, 4),
    logged(5, 5, account=5, poison=True), Logged(0, 6, 0, -1, -1, "", -1, -1, False, BEGAN + 6, 0), logged(6, 7),
]  # fmt: skip


def taken(at: float, numbers: Sequence[int], id: str = "", subscription: str = "all", **more: Any) -> Taken:
    line = Taken(
        BEGAN + at, BEGAN + at + 0.01, subscription, id or f"d{numbers}", 1, 200, True, "a.1", f"body{numbers}",
        tuple(numbers), content_of(1000 + number for number in numbers), True,
    )  # fmt: skip
    return line._replace(**more)


def state(offset: int, at: float, key: str, value: dict[str, Any]) -> Recorded:
    return Recorded(BEGAN + at, offset, BEGAN + at, key, orjson.dumps(value).decode())


def wrote(offset: int, when: float, sequence: int, key: str, **content: Any) -> Recorded:
    return state(offset, when, key, {"t": 0, "s": sequence, **content})


CLAIM = state(0, 0, "claim|events|0", {"n": "x", "i": "host-1"})
PART = wrote(1, 0.1, 1, "part|events|0", r="", c=0, e=[[0, {}]], l=[])
CLOSED = BEGAN + 10  # 1,000,020 is a multiple of the window's six seconds
WINDOW = [
    wrote(2, 0.1, 1, "window|events|0|default", d=0, to=0, at=BEGAN),
    wrote(3, 10.1, 2, "window|events|0|default", d=0, to=5, at=CLOSED),
    wrote(4, 12.0, 3, "window|events|0|default", d=5, to=5, at=CLOSED),
]


def holding(place: tuple[int, int]) -> Recorded:
    """A lane's record that holds account 1 there."""
    return wrote(3, 2.9, 2, "lane|events|0|r|all", h=[3, 0], z=[3, 0], v=2, b=[3, 0], k=[["1", place]])


REFUSALS = [taken(6.0 + time, [5], "p", "strict", status=422, attempt=time + 1, sender="a.1") for time in range(3)]
CLEAN = Histories(
    [Versioned(BEGAN - 100, asdict(VERSION))], [Acknowledged(BEGAN + n, n, 0, n, BEGAN + n) for n in range(6)], LOG,
    [
        taken(1, [0]), taken(2, [1, 2]), taken(4.5, [4]), taken(5.5, [5]), *REFUSALS, taken(8.5, [6]),
        taken(10.5, [3]),
    ],
    [CLAIM, PART, *WINDOW],
    [Sampled(BEGAN + 9, {"0": 3}, 3), Sampled(BEGAN + 13, {"0": 8}, 5)],
    [Lettered(BEGAN + 9, "rejected", 0, 5, 0, "strict"), Lettered(BEGAN + 7, "malformed", 0, 6, 0, "")],
    [Lived(BEGAN, "a.1", "host-1")],
)  # fmt: skip


def without(line: Taken, *more: Taken) -> Callable[[Histories], Histories]:
    """A request that did not come, and others that came instead."""
    return lambda clean: clean._replace(
        taken=sorted([*(one for one in clean.taken if one != line), *more], key=lambda one: one.at)
    )


def also(*more: Taken) -> Callable[[Histories], Histories]:
    return lambda clean: clean._replace(taken=sorted([*clean.taken, *more], key=lambda one: one.at))


def recorded(*lines: Recorded) -> Callable[[Histories], Histories]:
    return lambda clean: clean._replace(recorded=lines)


ONE, TWO, FOUR, LATE = taken(1, [0]), taken(2, [1, 2]), taken(4.5, [4]), taken(10.5, [3])
AGAIN = state(5, 3.5, "claim|events|0", {"n": "y", "i": "host-2"})
DOCTORED: dict[str, tuple[Wrong, Callable[[Histories], Histories]]] = {
    "one is missing": (Wrong.LOST, without(FOUR)),
    "one was refused and never came again": (Wrong.LOST, without(FOUR, FOUR._replace(status=500))),
    "an acknowledged event is in no log": (
        Wrong.UNLOGGED,
        lambda clean: clean._replace(acknowledged=[*clean.acknowledged, Acknowledged(BEGAN, 99, 0, 99, BEGAN)]),
    ),
    "two are swapped": (Wrong.DISORDERED, without(ONE, ONE._replace(at=BEGAN + 2.5, ended=BEGAN + 2.6))),
    "two are swapped within a delivery": (Wrong.DISORDERED, without(TWO, taken(2, [2, 1]))),
    "another account's": (Wrong.ASTRAY, also(taken(5, [4], "x", "strict"))),
    "of an unknown subscription": (Wrong.INVENTED, also(taken(5, [4], "x", "nobody"))),
    "an event that nobody wrote": (Wrong.INVENTED, also(taken(5, [77]))),
    "a byte is changed": (Wrong.ALTERED, without(FOUR, FOUR._replace(content=content_of([7])))),
    "before its window closed": (Wrong.EARLY, without(LATE, taken(9, [3]))),
    "before its range was durable": (Wrong.EARLY, without(LATE, taken(10.05, [3]))),
    "live and windowed together": (Wrong.MIXED, without(LATE, taken(10.5, [3, 4], "m"))),
    "a range that grows without a close": (
        Wrong.RANGE,
        recorded(CLAIM, PART, *WINDOW[:2], wrote(4, 12.0, 3, "window|events|0|default", d=5, to=8, at=CLOSED)),
    ),
    "a range that shrinks": (
        Wrong.RANGE,
        recorded(CLAIM, PART, *WINDOW[:2], wrote(4, 12.0, 3, "window|events|0|default", d=3, to=4, at=CLOSED + 12)),
    ),
    "another id for the same events": (
        Wrong.ID,
        without(FOUR, FOUR._replace(status=500), taken(5, [4], "other", attempt=2)),
    ),
    "another body for the same id": (
        Wrong.BODY,
        without(FOUR, FOUR._replace(status=500), taken(5, [4], digest="other", attempt=2)),
    ),
    "grouped anew without a crash": (
        Wrong.REGROUPED,
        without(TWO, TWO._replace(status=500), taken(2.5, [1]), taken(2.6, [2])),
    ),
    "two of a key at once": (Wrong.OVERLAPPING, without(ONE, ONE._replace(ended=BEGAN + 2.5))),
    "taken twice for no reason": (Wrong.REPEATED, also(FOUR._replace(at=BEGAN + 6.6, ended=BEGAN + 6.7))),
    "sent by who lost the partition long ago": (
        Wrong.TWO_OWNERS,
        lambda clean: clean._replace(
            recorded=[CLAIM, PART, *WINDOW[:2], state(4, 10.3, "claim|events|0", {"n": "y", "i": "host-2"})],
            taken=[*clean.taken, taken(40, [6], "z")],
            lived=[*clean.lived, Lived(BEGAN, "b.1", "host-2")],
        ),
    ),
    "a signature that does not hold": (Wrong.UNSIGNED, without(FOUR, FOUR._replace(verified=False))),
    "committed before it was taken, and no record": (
        Wrong.COMMITTED,
        lambda clean: clean._replace(sampled=[Sampled(BEGAN + 3, {"0": 5}, 2), *clean.sampled]),
    ),
    "a record dropped before it was taken": (
        Wrong.COMMITTED,
        lambda clean: clean._replace(
            recorded=[
                CLAIM, PART, wrote(2, 2.9, 2, "lane|events|0|r|all", h=[3, 0], z=[3, 0]),
                wrote(3, 3.6, 3, "lane|events|0|r|all", dropped=True),
            ],
            sampled=[Sampled(BEGAN + 3, {"0": 5}, 3), Sampled(BEGAN + 4, {"0": 5}, 4)],
        ),
    ),
    "committed before it was taken, and its account held behind it": (
        Wrong.COMMITTED,
        lambda clean: clean._replace(
            recorded=[CLAIM, PART, WINDOW[0], holding((6, 0))],
            sampled=[Sampled(BEGAN + 3, {"0": 5}, 4)],
        ),
    ),
    "a dead letter that nobody refused": (
        Wrong.LETTERED,
        lambda clean: clean._replace(lettered=[*clean.lettered, Lettered(BEGAN + 9, "rejected", 0, 4, 0, "all")]),
    ),
    "a malformed record without its dead letter": (
        Wrong.LETTERED,
        lambda clean: clean._replace(lettered=clean.lettered[:1]),
    ),
    "repeated from before what law 9 allows": (
        Wrong.REPEATED,
        lambda clean: clean._replace(
            recorded=[
                CLAIM, PART, *WINDOW,
                *(wrote(5 + n, 14 + n, 4 + n, "part|events|0", r="", c=n, e=[[0, {}]], l=[]) for n in range(5)),
                state(10, 20, "claim|events|0", {"n": "y", "i": "host-1"}),
            ],
            taken=[*clean.taken, taken(21, [0], sender="a.2")],
        ),
    ),
}  # fmt: skip


def test_a_clean_history_breaks_no_law() -> None:
    judgement = judge(CLEAN)
    assert not judgement.wrong, judgement.lines()
    assert (judgement.delivered, judgement.duplicates) == (7, 0)
    assert judgement.owed == 8


@pytest.mark.parametrize("name", DOCTORED)
def test_a_doctored_history_is_convicted(name: str) -> None:
    wrong, doctor = DOCTORED[name]
    judgement = judge(doctor(CLEAN))
    assert judgement.wrong[wrong], judgement.lines()


def test_an_answer_that_was_lost_explains_a_repetition() -> None:
    lost = FOUR._replace(told=False)
    history = without(FOUR, lost, FOUR._replace(at=BEGAN + 6.6, ended=BEGAN + 6.7, attempt=2))(CLEAN)
    judgement = judge(history)
    assert not judgement.wrong, judgement.lines()
    assert judgement.repeated == {Cause.UNANSWERED: 1}
    assert judgement.unanswered == {"nothing was done to either then": 1}
    cut = Faulted(FOUR.at - 0.5, FOUR.at + 1, "listener resets", FOUR.subscription)
    assert judge(history._replace(faulted=[cut])).unanswered == {"listener resets": 1}


def test_a_held_account_covers_what_lies_behind_its_place() -> None:
    later = [each._replace(offset=each.offset + 1) for each in WINDOW[1:]]
    recorded = [CLAIM, PART, WINDOW[0], holding((4, 0)), *later]
    judgement = judge(CLEAN._replace(recorded=recorded, sampled=[Sampled(BEGAN + 3, {"0": 5}, 4)]))
    assert not judgement.wrong, judgement.lines()


def test_a_signature_of_a_clock_that_was_set_may_be_refused() -> None:
    refused = FOUR._replace(at=BEGAN + 4.2, ended=BEGAN + 4.3, verified=False, status=401)
    judgement = judge(also(refused)(CLEAN)._replace(faulted=[Faulted(BEGAN + 3, BEGAN + 5, "clock back", "a")]))
    assert not judgement.wrong, judgement.lines()


def test_what_was_cut_off_is_not_put_down_to_the_take_over() -> None:
    again = FOUR._replace(at=BEGAN + 6.6, ended=BEGAN + 6.7, sender="b.1")
    judgement = judge(
        without(FOUR, FOUR._replace(told=False), again)(CLEAN)._replace(
            recorded=[*CLEAN.recorded, AGAIN._replace(at=BEGAN + 6, offset=9)],
            lived=[Lived(BEGAN, "a.1", "host-1"), Lived(BEGAN, "b.1", "host-2")],
        )
    )
    assert judgement.repeated == {Cause.UNANSWERED: 1}
    assert judgement.changes == {Way.NOTHING: [0]}


@pytest.mark.parametrize(("after", "cause"), [(0.1, Cause.UNANSWERED), (1.0, Cause.TAKEN_OVER)])
def test_what_was_done_to_a_listener_later_excuses_no_repetition(after: float, cause: Cause) -> None:
    again = FOUR._replace(at=BEGAN + 6.6, ended=BEGAN + 6.7, sender="b.1")
    judgement = judge(
        without(FOUR, FOUR, again)(CLEAN)._replace(
            recorded=[*CLEAN.recorded, AGAIN._replace(at=BEGAN + 6, offset=9)],
            lived=[Lived(BEGAN, "a.1", "host-1"), Lived(BEGAN, "b.1", "host-2")],
            faulted=[Faulted(FOUR.ended + after, BEGAN + 6, "listener 500", FOUR.subscription)],
        )
    )
    assert judgement.repeated == {cause: 1}


@pytest.mark.parametrize("told", [14.9, 15.2])
def test_an_answer_can_be_settled_when_it_was_told_and_not_before(told: float) -> None:
    _, doctor = DOCTORED["repeated from before what law 9 allows"]
    history = doctor(CLEAN)
    first, *others = history.taken
    slow = first._replace(at=BEGAN + 14.5, ended=BEGAN + told)
    wrong = judge(history._replace(taken=[*others[:-1], slow, others[-1]])).wrong
    assert (Wrong.REPEATED in wrong) == (told < 15), "the fourth-last write was made then"


def test_a_take_over_explains_a_repetition_and_another_grouping() -> None:
    again = [taken(4, [1], sender="b.1"), taken(4.1, [2], sender="b.1")]
    judgement = judge(
        without(FOUR, *again, taken(4.5, [4], sender="b.1"))(CLEAN)._replace(
            recorded=[CLAIM, PART, AGAIN._replace(offset=2), *(one._replace(offset=one.offset + 1) for one in WINDOW)],
            lived=[Lived(BEGAN, "a.1", "host-1"), Lived(BEGAN, "b.1", "host-2")],
            faulted=[Faulted(BEGAN + 3, BEGAN + 3.1, "kill", "a")],
        )
    )
    assert judgement.repeated == {Cause.TAKEN_OVER: 2}
    assert judgement.changes == {Way.KILLED: [2]}
    assert set(judgement.wrong) <= {Wrong.EARLY, Wrong.LOST}, judgement.lines()


def test_a_record_that_covers_is_no_reason_to_wait() -> None:
    judgement = judge(
        CLEAN._replace(
            recorded=[
                CLAIM,
                PART,
                WINDOW[0],
                wrote(3, 2.9, 2, "lane|events|0|r|all", h=[3, 0], z=[3, 0]),
                *(one._replace(offset=one.offset + 1) for one in WINDOW[1:]),
            ],
            sampled=[Sampled(BEGAN + 3, {"0": 5}, 4)],
        )
    )
    assert not judgement.wrong, judgement.lines()


def test_what_a_version_no_longer_wants_is_not_owed() -> None:
    later = Version((replace(VERSION.specs[0], events=("LEARNER_*",)), VERSION.specs[1]))
    judgement = judge(
        without(FOUR)(CLEAN)._replace(
            versioned=[Versioned(BEGAN - 100, asdict(VERSION)), Versioned(BEGAN + 3, asdict(later))]
        )
    )
    assert not judgement.wrong, judgement.lines()
