"""A dead endpoint costs a position, and no memory, whatever it is owed; when it is back, all comes in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from lmshooks.core.commands import AskEnd, Commit, Entry, Post, Read, WriteState
from lmshooks.core.configuration import Configuration, Limits
from lmshooks.core.dispatcher import Dispatcher
from lmshooks.core.positions import Partition
from lmshooks.core.retrying import Failure, Outcome
from lmshooks.core.subscriptions import Endpoint, Subscription

P = Partition("events", 0)
OWED = 20_000
CAP = 200


@dataclass
class Stored:
    """A record of the log."""

    offset: int
    value: bytes
    timestamp: int = 1_000_000
    headers: tuple[tuple[str, bytes], ...] = ()


def record(offset: int) -> Stored:
    """One event, numbered by its offset."""
    event = {"eventId": f"e{offset}", "eventName": "COURSE_ENROLLMENT", "timestamp": 1, "data": {"n": offset}}
    return Stored(offset, orjson.dumps({"accountId": 1, "events": [event]}))


@dataclass
class Driver:
    """Answers every command at once; time passes only where it is told to."""

    machine: Dispatcher
    log: list[Any]
    now: float = 2000.0
    state: int = 0
    alive: bool = False
    got: list[int] = field(default_factory=list)
    read: int = 0
    committed: int = -1

    def turn(self) -> None:
        """Carry out what the machine says until it says no more."""
        while commands := self.machine.take()[0]:
            for command in commands:
                self.carry_out(command)

    def carry_out(self, command: object) -> None:
        match command:
            case WriteState():
                entries = [
                    Entry(self.state + place, self.now, key, value)
                    for place, (key, value) in enumerate(command.entries)
                ]
                self.state += len(entries)
                self.machine.followed(entries, self.now)
            case Commit():
                self.committed = command.offset
                self.machine.committed(command, True, self.now)
            case Read():
                chunk = self.log[command.offset : min(command.end, command.offset + 500)]
                self.read += len(chunk)
                self.machine.swept(command, chunk, command.offset + len(chunk), self.now)
            case AskEnd():
                self.machine.ended(command, len(self.log), self.now)
            case Post():
                if self.alive:
                    self.got += [event["data"]["n"] for event in orjson.loads(command.body)["events"]]
                outcome = (
                    Outcome(200, None, None, 0.0, "") if self.alive else Outcome(None, Failure.CONNECT, None, 0, "")
                )
                self.machine.attempted(command, outcome, self.now)

    def wait(self, seconds: float) -> None:
        """Let time pass, waking the machine whenever it asked for it."""
        end = self.now + seconds
        while (due := self.machine.next_wakeup()) is not None and due <= end:
            self.now = max(self.now, due)
            self.machine.wake(self.now)
            self.turn()
        self.now = end


def test_what_a_dead_endpoint_is_owed_is_not_held_and_comes_in_order_when_it_is_back() -> None:
    subscription = Subscription("dead", "1", ("*",), Endpoint("http://x"), queue_events=CAP, max_events=50)
    machine = Dispatcher("one", Configuration({"dead": subscription}, version="1"), Limits(), 2000.0)
    driver = Driver(machine, [record(offset) for offset in range(OWED)])
    machine.assigned(P, 0, "", 0, 0, 0, driver.now)
    driver.turn()
    most = 0
    for start in range(0, OWED, 500):
        machine.records(P, driver.log[start : start + 500], start + 500, OWED, driver.now)
        driver.turn()
        driver.wait(0.1)
        most = max(most, machine.stats(driver.now).memory)
    driver.wait(1200)
    stats = machine.stats(driver.now)
    assert driver.committed == OWED, "a dead endpoint holds no commit back"
    assert most <= CAP * len(driver.log[-1].value)
    assert stats.memory <= 50 * len(driver.log[-1].value), "one delivery's worth at most, while it is tried"
    assert stats.subscriptions[0].behind >= OWED - CAP
    driver.alive = True
    driver.wait(1200)
    assert driver.got == list(range(OWED))
    assert machine.stats(driver.now).memory == 0
    assert driver.read <= 3 * OWED
