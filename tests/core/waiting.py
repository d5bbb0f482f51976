"""How does a test hold the answers in its hand? A machine whose state is written at once, and whose posts wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from lmshooks.core.commands import AskEnd, Bury, Command, Commit, Entry, Post, Read, WriteState
from lmshooks.core.configuration import Configuration, Limits, Schedule
from lmshooks.core.dispatcher import Dispatcher
from lmshooks.core.facts import Fact
from lmshooks.core.positions import Partition
from lmshooks.core.retrying import Failure, Outcome
from lmshooks.core.subscriptions import Subscription
from tests.core.test_dead_endpoint import Stored

P = Partition("events", 0)


def record(offset: int, account: int = 1, name: str = "COURSE_ENROLLMENT") -> Stored:
    """One event of an account, of a learner of its own, numbered by its offset."""
    data = {"n": offset, "userId": offset}
    event = {"eventId": f"e{offset}", "eventName": name, "timestamp": 1, "data": data}
    return Stored(offset, orjson.dumps({"accountId": account, "events": [event]}))


class Waiting:
    """Owns one partition from its beginning; the test answers posts and letters."""

    def __init__(
        self,
        *subscriptions: Subscription,
        state: Sequence[tuple[bytes, bytes | None]] = (),
        windows: Mapping[str, Schedule] | None = None,
    ) -> None:
        """`state` lies in the state topic before it begins."""
        self.now = 2000.0
        self.state: list[Entry] = []
        self.committed = 0
        self.ours = True
        """Whether the group takes its commits."""
        self.commits: list[Commit] = []
        self.posts: list[Post] = []
        self.letters: list[Bury] = []
        self.facts: list[Fact] = []
        self._log: list[Any] = []
        self._versions = 1
        self._windows = windows or {}
        self.machine = Dispatcher("one", self._files(subscriptions), Limits(), self.now)
        self.write(state)
        self.machine.assigned(P, 0, "", 0, 0, 0, self.now)
        self.turn()

    def succeed(self, *subscriptions: Subscription) -> Waiting:
        """It is killed: who owns the partition then, and reads the same log from what is committed."""
        heir = Waiting()
        heir.machine = Dispatcher("two", self._files(subscriptions), Limits(), heir.now)
        heir.state, heir._log = [], self._log
        heir.write([(entry.key, entry.value) for entry in self.state])
        heir.machine.assigned(P, self.committed, "", 0, len(self._log), 0, heir.now)
        heir.turn()
        heir.machine.records(P, self._log[self.committed :], len(self._log), len(self._log), heir.now)
        heir.turn()
        return heir

    def write(self, entries: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Entries land in the state topic, and are read."""
        begin = len(self.state)
        self.state += [Entry(begin + at, self.now, key, value) for at, (key, value) in enumerate(entries)]
        self.machine.followed(self.state[begin:], self.now)

    def _files(self, subscriptions: tuple[Subscription, ...]) -> Configuration:
        named: Mapping[str, Subscription] = {one.id: one for one in subscriptions}
        return Configuration(named, self._windows, version=str(self._versions))

    def configure(self, *subscriptions: Subscription) -> None:
        """Other files are loaded."""
        self._versions += 1
        self.machine.configured(self._files(subscriptions), self.now)
        self.turn()

    def read(self, count: int, *accounts: int, name: str = "COURSE_ENROLLMENT") -> None:
        """So many events of each account (1) come at once, one a record."""
        of = [account for account in accounts or (1,) for _ in range(count)]
        records: list[Any] = [record(offset, account, name) for offset, account in enumerate(of, len(self._log))]
        self._log += records
        self.machine.records(P, records, len(self._log), len(self._log), self.now)
        self.turn()

    def answer(self, post: Post, status: int, took: float = 0.0) -> None:
        """The endpoint answers."""
        self.answer_all([post], status, took)

    def answer_all(self, posts: Sequence[Post], status: int, took: float = 0.0) -> None:
        """Answers that come at once."""
        failure = None if status < 300 else Failure.STATUS
        outcome = Outcome(status, failure, None, took, "")
        self.machine.answered([(post, outcome) for post in posts], self.now)
        self.turn()

    def widen(self, limit: int) -> None:
        """As if endpoints had answered so much lately that so many requests may be under way to each."""
        for own in self.machine.owned.values():
            for lane in own.lanes.values():
                lane.concurrency.limit = limit

    def wait(self, seconds: float) -> None:
        """Time passes at one stroke."""
        self.now += seconds
        self.machine.wake(self.now)
        self.turn()

    def turn(self) -> None:
        """Carry out what the machine says until it says no more; posts and letters are kept."""
        while True:
            commands, facts = self.machine.take()
            self.facts += facts
            for command in commands:
                self.carry_out(command)
            if not commands:
                return

    def carry_out(self, command: Command) -> None:
        """Do what the machine says, or keep it."""
        match command:
            case WriteState():
                self.write(command.entries)
            case Commit():
                self.commits.append(command)
                self.committed = command.offset if self.ours else self.committed
                self.machine.committed(command, self.ours, self.now)
            case Read():
                chunk = self._log[command.offset : command.end]
                self.machine.swept(command, chunk, command.offset + len(chunk), self.now)
            case AskEnd():
                self.machine.ended(command, len(self._log), self.now)
            case Post():
                self.posts.append(command)
            case Bury():
                self.letters.append(command)
