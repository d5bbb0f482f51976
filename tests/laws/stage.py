"""How does a scripted play go? One world without chance, moved by plain steps that a test reads out in their order.

A step does what it says and nothing else: what is not said stays under way. Time passes only where a step needs it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from lmshooks.core.catalogue import Cadence
from lmshooks.core.commands import WriteState
from lmshooks.core.configuration import Configuration
from lmshooks.core.positions import Partition
from lmshooks.core.subscriptions import Endpoint, Order, RetryPolicy, Subscription
from lmshooks.core.sweeping import BOARDING
from tests.laws import operations as op
from tests.laws.ending import Ending
from tests.laws.endpoints import Request, outcome
from tests.laws.judgement import judge
from tests.laws.logs import Fact
from tests.laws.settings import FOREVER, LIVE, WINDOWED, WINDOWS
from tests.laws.world import Bounds, Instance, World

P = Partition("events", 0)
NOW, LATER, UNWANTED = LIVE[0], WINDOWED[0], "CI_STATS"
"""An event name that is sent at once, one that waits for its window, one that nobody wants."""


def subscription(name: str, **fields: object) -> Subscription:
    """One that wants nearly everything, an event a POST, one POST at a time; its retries are a second apart."""
    plain = Subscription(
        name, "*", (*LIVE, *WINDOWED), Endpoint(f"https://{name}.example"), order=Order.ACCOUNT, max_in_flight=1,
        max_events=1, queue_events=4, retry=RetryPolicy(1.0, 1.0, FOREVER, 0.0),
    )  # fmt: skip
    return replace(plain, **fields)  # type: ignore[arg-type]


class Stage:
    """The world of one scripted play."""

    def __init__(self, *subscriptions: Subscription, bounds: Bounds | None = None, grace: float = FOREVER) -> None:
        first = Configuration(
            {one.id: one for one in subscriptions}, WINDOWS, {}, grace, "v0",
        )  # fmt: skip
        self.world = World(0, bounds or Bounds(instances=3), first)
        self.world.now -= self.world.now % 120  # both windows have just closed
        self.world.checker.earliest = self.world.bounds.earliest
        self.ending = Ending(self.world, {})

    # who is there

    def start(self, version: int | None = None) -> Instance:
        """A process starts, with the newest files or an older version of them."""
        slot = self.world.slots.index(None)
        return self.world.start(slot, self.world.target if version is None else version)

    def give(self, instance: Instance, partition: Partition = P) -> None:
        """The group assigns the partition; an owner that is there does not learn of it."""
        before = self.world.owner[partition]
        if before is not None and before is not instance:
            self.world.zombies.append((before, partition))
        self.world.give(partition, instance)

    def own(self, instance: Instance, partition: Partition = P) -> None:
        """The partition is assigned, its claim lands and is read back, and so is the first partition record."""
        self.give(instance, partition)
        self.land(instance)
        self.follow(instance)
        self.checkpoint(instance)

    def begin(self) -> Instance:
        """An instance that owns the partition."""
        instance = self.start()
        self.own(instance)
        return instance

    def crash(self, instance: Instance) -> None:
        """kill -9; nothing of what it had under way happens."""
        instance.writes.clear()
        instance.commits.clear()
        instance.requests.clear()
        self.world.crash(instance)

    def change(self, *instances: Instance, **fields: object) -> None:
        """Somebody edits the files, and these instances load them."""
        world = self.world
        newest = world.versions[world.target]
        world.versions.append(replace(newest, version=f"v{len(world.versions)}", **fields))  # type: ignore[arg-type]
        world.target = len(world.versions) - 1
        for instance in instances:
            op.load(world, instance, world.target)

    def subscribe(self, *instances: Instance, only: tuple[Subscription, ...] = (), **one: Subscription) -> None:
        """The files name these subscriptions beside, or (`only`) instead of, those there were."""
        before = {} if only else dict(self.world.versions[self.world.target].subscriptions)
        self.change(*instances, subscriptions=before | {each.id: each for each in (*only, *one.values())})

    def cadence(self, *instances: Instance, **names: Cadence) -> None:
        """The files say when events of these names are sent."""
        self.change(*instances, cadences=names)

    # the source log

    def produce(
        self, name: str = NOW, *, count: int = 1, account: str = "1", learner: str = "l1", to: Partition = P
    ) -> list[Fact]:
        """One record of so many events."""
        source, checker = self.world.sources[to], self.world.checker
        facts = []
        for index in range(count):
            number = len(checker.facts)
            fact = Fact(to, (source.end, index), account, learner, name, f"e{number}", number, False)
            checker.facts[fact.id] = fact
            facts.append(fact)
        events = [
            {
                "eventId": one.id, "eventName": one.name, "timestamp": "2026-01-01T00:00:00Z",
                "data": {"userId": one.learner, "n": one.number},
            }
            for one in facts
        ]  # fmt: skip
        source.append(json.dumps({"accountId": account, "events": events}).encode(), self.world.now)
        return facts

    def spoil(self) -> None:
        """A record that is no event."""
        source = self.world.sources[P]
        self.world.checker.malformed.add((P, source.append(b"{", self.world.now), 0))

    def feed(self, instance: Instance) -> None:
        """Its live feed reads to the log's end."""
        while self.world.feed(instance, 100):
            pass

    def sweep(self, instance: Instance) -> None:
        """What is due boards a sweep, and the second reader answers until nothing more is asked."""
        self.world.now += BOARDING + 0.1
        self.wake(instance)
        while op.read(self.world, instance, False, 1000):
            pass

    # the endpoints

    def arrive(self, instance: Instance, name: str, status: int = 200, only: str = "") -> list[Request]:
        """What is on its way to a subscription reaches its endpoint, which decides; the answers are not back yet."""
        found = [one for one in instance.requests if one.post.subscription_id == name and not one.arrived]
        found = [one for one in found if not only or only in [fact.id for fact in one.facts]]
        assert found, f"nothing is on its way to {name}"
        for request in found:
            request.arrived = True
            request.accepted = status == 200
            request.outcome = outcome(status, None)
            self.world.checker.arrived(request)
        return found

    def answer(self, instance: Instance, name: str, status: int = 200, only: str = "") -> list[Request]:
        """What is on its way to a subscription (or that with one event alone) is answered so."""
        found = self.arrive(instance, name, status, only)
        for request in found:
            instance.requests.remove(request)
            self.world.checker.answered(request, self.world.now + 0.001)
            assert request.outcome is not None
            self.world.call(instance, "attempted", request.post, request.outcome)
        return found

    def answer_all(self, instance: Instance, *names: str) -> None:
        """Everything that goes out to these is delivered, until nothing more does."""
        while waiting := {one.post.subscription_id for one in instance.requests} & set(names):
            for name in sorted(waiting):
                self.answer(instance, name)

    def on_its_way(self, instance: Instance, name: str) -> list[str]:
        """The events of the requests to a subscription that are not answered."""
        return [fact.id for one in instance.requests if one.post.subscription_id == name for fact in one.facts]

    # the state topic and the group

    def wake(self, instance: Instance) -> None:
        """Its timer fires."""
        self.world.call(instance, "wake")

    def written(self, instance: Instance) -> WriteState:
        """A write that it orders, now or within a checkpoint's interval; it is under way."""
        for _ in range(100):
            self.wake(instance)
            if instance.writes:
                return instance.writes[0]
            self.world.now += 0.1
        raise AssertionError(f"{instance.name} writes nothing")

    def land(self, instance: Instance) -> None:
        """Its oldest write lands."""
        assert op.land(self.world, instance, False)

    def fail(self, instance: Instance, *, lands: bool = False) -> WriteState:
        """Its oldest write ends without an acknowledgement, though it may have landed."""
        write = instance.writes.popleft()
        if lands:
            self.put(write)
        self.world.call(instance, "write_failed", write)
        return write

    def put(self, write: WriteState) -> None:
        """A write lands, whoever still thinks of it."""
        self.world.state.append(write.entries, self.world.now)
        self.world.checker.ranges.landed(write.entries)

    def follow(self, instance: Instance) -> None:
        """Its follower reads the state topic to its end."""
        self.world.follow(instance, None)

    def commit(self, instance: Instance) -> None:
        """Its commits are applied and acknowledged."""
        while op.commit(self.world, instance, False):
            pass

    def advance(self, instance: Instance) -> None:
        """What needs no write is committed: too little time passes for a checkpoint."""
        self.world.now += 0.2
        self.wake(instance)
        self.commit(instance)

    def checkpoint(self, instance: Instance) -> None:
        """A whole checkpoint, from the write to the acknowledged commit, if there is anything to write."""
        self.commit(instance)  # one that is under way is waited for
        self.world.now += 1.1
        self.wake(instance)
        while instance.writes:
            self.land(instance)
        self.follow(instance)
        self.commit(instance)

    def checkpoints(self, instance: Instance, times: int) -> None:
        """So many checkpoints; before each comes an event that nobody wants, so that there is something to commit."""
        for _ in range(times):
            self.produce(UNWANTED)
            self.feed(instance)
            self.checkpoint(instance)

    def close(self, instance: Instance, window: str = "default") -> None:
        """The window's time comes, and its end is decided; nothing of that is durable yet."""
        self.checkpoint(instance)  # nothing else is to be written then
        schedule = self.world.versions[self.world.target].windows[window]
        self.world.now = schedule.next_close(self.world.now) + 0.001
        self.wake(instance)
        while op.ask(self.world, instance, False):
            pass

    def until(self, true: Callable[[], bool], instance: Instance) -> None:
        """Everything works until something is true."""
        for _ in range(200):
            if true():
                return
            self.ending.serve(instance)
            self.world.now += 0.2
            self.wake(instance)
        raise AssertionError("it never became true")

    # the end

    def end(self) -> None:
        """Everything works again until nothing is owed; then the laws are judged."""
        self.ending.heal()
        judge(self.world.checker, self.world.versions[self.world.target])
