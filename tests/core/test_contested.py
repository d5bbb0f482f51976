"""An owner whose tenure another claim ended asks the group whose the partition is, before it claims again."""

from __future__ import annotations

import orjson

from lmshooks.core.commands import Commit, Entry, WriteState
from lmshooks.core.ownership import ASKING
from lmshooks.core.positions import Partition
from lmshooks.core.records import claim_key
from lmshooks.core.subscriptions import Endpoint, Subscription
from tests.core.waiting import P, Waiting

ALL = Subscription("all", "*", ("*",), Endpoint("http://x"))


def owner(events: int = 3) -> Waiting:
    """Has delivered some events, and committed that."""
    waiting = Waiting(ALL)
    waiting.read(events)
    for post in waiting.posts:
        waiting.answer(post, 200)
    waiting.wait(1.0)
    assert waiting.committed == events
    waiting.commits.clear()
    return waiting


def supersede(waiting: Waiting, partition: Partition = P) -> None:
    """Another one's claim is read."""
    claim = orjson.dumps({"n": f"other/{len(waiting.state)}", "i": "other"})
    waiting.state.append(Entry(len(waiting.state), waiting.now, claim_key(partition), claim))
    waiting.machine.followed(waiting.state[-1:], waiting.now)
    waiting.turn()


def claims(waiting: Waiting) -> int:
    """How often it has claimed the partition."""
    return sum(entry.key == claim_key(P) and b"other" not in (entry.value or b"") for entry in waiting.state)


def asked(waiting: Waiting) -> list[int]:
    """The offsets that it asked the group with, while it had no tenure."""
    return [one.offset for one in waiting.commits if one.ticket[1] < 0]


def test_it_claims_again_once_the_group_has_said_that_the_partition_is_its_own() -> None:
    waiting = owner()
    supersede(waiting)
    assert claims(waiting) == 1
    waiting.wait(1.0)
    assert asked(waiting) == [3], "what was committed last is committed again"
    assert waiting.commits[0].metadata.startswith("lmshooks:")
    assert claims(waiting) == 2
    waiting.read(1)
    assert waiting.posts[-1].events == 1


def test_one_that_the_group_has_dropped_asks_on_and_never_claims() -> None:
    waiting = owner()
    supersede(waiting)
    waiting.ours = False
    for seconds in (1.0, *[ASKING] * 20):
        waiting.wait(seconds)
    assert asked(waiting) == [3] * 21
    assert waiting.committed == 3
    assert claims(waiting) == 1
    waiting.ours = True
    waiting.wait(ASKING)
    assert claims(waiting) == 2


def test_it_asks_anew_each_time_that_it_is_superseded() -> None:
    waiting = owner()
    for _ in range(3):
        supersede(waiting)
        waiting.wait(30.0)
    assert asked(waiting) == [3, 3, 3]
    assert claims(waiting) == 4


def test_an_answer_that_comes_when_it_has_claimed_already_changes_nothing() -> None:
    waiting = owner()
    supersede(waiting)
    waiting.now += 1.0
    waiting.machine.wake(waiting.now)
    (commit,), _ = waiting.machine.take()
    assert isinstance(commit, Commit)
    waiting.now += waiting.machine.context.limits.write_timeout
    waiting.machine.wake(waiting.now)
    waiting.turn()  # asks again, is told, and claims
    assert claims(waiting) == 2
    waiting.machine.committed(commit, False, waiting.now)
    waiting.turn()
    waiting.read(1)
    assert waiting.posts[-1].events == 1
    assert claims(waiting) == 2


def test_while_nothing_was_ever_committed_there_is_nothing_to_ask_with() -> None:
    waiting = Waiting()
    waiting.machine.revoked(P, waiting.now)
    waiting.machine.assigned(P, None, "", 0, 0, 0, waiting.now)
    (claim,), _ = waiting.machine.take()
    assert isinstance(claim, WriteState)
    waiting.write(claim.entries)
    waiting.commits.clear()
    supersede(waiting)
    before = claims(waiting)
    waiting.wait(1.0)
    assert not asked(waiting)
    assert claims(waiting) == before + 1
