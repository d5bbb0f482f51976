"""Were the laws kept? The history of a run as the outside sees it, judged while it happens and at its end.

Laws 1 to 6 and 9 to 12 of the design, as its model rewords them. What is promised is computed from what producers wrote
and from which configurations were in use; nothing is read out of the machine but its facts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from lmshooks.core import facts as said
from lmshooks.core.catalogue import Cadence
from lmshooks.core.commands import Bury, Post
from lmshooks.core.configuration import Configuration
from lmshooks.core.events import LetterReason
from lmshooks.core.positions import Partition, Position
from lmshooks.core.records import part_key
from lmshooks.core.subscriptions import Order, Subscription
from tests.laws.coverage import Coverage
from tests.laws.endpoints import Request
from tests.laws.logs import Fact, SourceLog, StateLog
from tests.laws.ranges import Ranges
from tests.laws.remembered import Checkpoints, First, Settled
from tests.laws.settings import cadence, gives_up, key_of, wants
from tests.laws.violation import Violation


@dataclass
class Checker:
    """The history so far."""

    versions: list[Configuration]
    sources: Mapping[Partition, SourceLog]
    state: StateLog
    facts: dict[str, Fact] = field(default_factory=dict)
    """Every event that was produced, by its id."""
    malformed: set[tuple[Partition, int, int]] = field(default_factory=set)
    applied: dict[str, tuple[Configuration, float]] = field(default_factory=dict)
    """What each living instance has loaded, and when each subscription appeared there."""
    since: dict[tuple[str, str], float] = field(default_factory=dict)
    used: dict[str, list[Subscription]] = field(default_factory=lambda: defaultdict(list))
    """Every shape of a subscription that was in use anywhere."""
    cadences: dict[str, set[Cadence]] = field(default_factory=lambda: defaultdict(set))
    plain: bool = True
    """Only the first version was ever in use."""
    earliest: bool = True
    floors: dict[tuple[str, Partition], int] = field(default_factory=dict)
    """(subscription, partition) -> everything that matches from this offset on is owed."""
    begun: dict[tuple[str, Partition, str], int] = field(default_factory=dict)
    """(subscription, partition, kind) -> the offset of the first POST."""
    reset: set[str] = field(default_factory=set)
    """Subscriptions that an operator ever retired without backlog, or removed for good."""
    ended: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """When a subscription was given up: the lives of its lanes ended then."""
    beginnings: dict[Partition, int] = field(default_factory=dict)
    """Where the group first began in a partition."""
    letter_floor: dict[Partition, int] = field(default_factory=dict)
    tenures: dict[tuple[str, Partition], int] = field(default_factory=dict)
    owners: dict[tuple[Partition, int], str] = field(default_factory=dict)
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    accepted: dict[tuple[str, str], int] = field(default_factory=dict)
    """(subscription, event id) -> how many times."""
    latest: dict[tuple[str, Partition, str, str], tuple[Position, int]] = field(default_factory=dict)
    """The furthest first delivery of a key, and the life of the lane that posted it."""
    settled: dict[tuple[str, str], Settled] = field(default_factory=dict)
    ever_settled: set[tuple[str, str]] = field(default_factory=set)
    """Also what an operator's move has put up for sending again."""
    bodies: dict[str, bytes] = field(default_factory=dict)
    kinds: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    delivered_as: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    firsts: dict[tuple[str, str], First] = field(default_factory=dict)
    flying: list[Request] = field(default_factory=list)
    letters: set[tuple[Partition, int, int, str | None]] = field(default_factory=set)
    lost: dict[tuple[str | None, Partition], list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    """What was said to have expired, of a subscription or (None) of everybody."""
    moves: dict[Partition, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Where an operator moved the group's offset to."""
    forgotten: dict[Partition, tuple[int, float]] = field(default_factory=dict)
    """Where the group's offset was lost: what remained, the partition record's older one, and when."""
    given: dict[tuple[str, Partition], int] = field(default_factory=dict)
    """Offsets of an operator that an instance was given, and has not told yet."""
    allowed: tuple[type, ...] = ()
    """Facts of damage that the play did on purpose."""
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        self.coverage = Coverage(self, self.state)
        self.ranges = Ranges(self.sources)

    # what happens

    def configured(self, instance: str, configuration: Configuration, now: float) -> None:
        """An instance starts with, or loads, a configuration."""
        before, _ = self.applied.get(instance, (Configuration(), 0.0))
        self.applied[instance] = (configuration, now)
        self.plain = self.plain and configuration.version == "v0"
        for fact_name in ("COURSE_ENROLLMENT", "COURSE_COMPLETED", "LEARNER_PROGRESS", "COURSE_ENROLLMENT_BATCH"):
            self.cadences[fact_name].add(cadence(configuration, fact_name))
        for name, subscription in configuration.subscriptions.items():
            if name not in before.subscriptions or not before.subscriptions[name].active:
                self.since[instance, name] = now
            if subscription not in self.used[name]:
                self.used[name].append(subscription)
            if gives_up(subscription):
                self.give_up(name, now)
        known = {name for version in self.versions for name in version.subscriptions}
        for name in known - configuration.subscriptions.keys():
            if configuration.orphan_grace < 1e6:
                self.give_up(name, now)

    def give_up(self, name: str, now: float) -> None:
        """An operator's act: nothing is promised until the subscription is established again."""
        self.reset.add(name)
        self.ended[name].append(now)
        for key in [key for key in self.floors if key[0] == name]:
            del self.floors[key]

    def grown(self, partition: Partition) -> None:
        """A partition is added: what is promised elsewhere is promised there, from its beginning on."""
        for name in {name for name, _ in self.floors}:
            self.floors[name, partition] = 0

    def forgot(self, partition: Partition, now: float) -> None:
        """The group's offset is lost: nothing is known but what the partition record says."""
        part = self.state.view.value(part_key(partition))
        self.forgotten[partition] = (part["c"] if part is not None else 0, now)

    def crashed(self, instance: str) -> None:
        """Its answers will not come; its requests may still be on the wire, in a tenure that is over."""
        self.applied.pop(instance, None)
        self.flying = [request for request in self.flying if request.instance != instance]

    def fact(self, instance: str, fact: said.Fact, began: float) -> None:
        """What an instance says; `began`: of a checkpoint, when it did."""
        self.counts[type(fact).__name__] += 1
        match fact:
            case said.Claimed():
                if self.owners.setdefault((fact.partition, fact.tenure), instance) != instance:
                    raise Violation("10", f"two have one tenure: {instance} and {self.owners}")
                self._obeyed(instance, fact)
                self.tenures[instance, fact.partition] = fact.tenure
                if self.state.view.value(part_key(fact.partition)) is None:  # nobody who began before could write it
                    self.beginnings[fact.partition] = fact.position
                self.beginnings.setdefault(fact.partition, fact.position)
            case said.Checkpointed():
                self._checkpointed(instance, fact, began)
            case said.Superseded():
                self.tenures[instance, fact.partition] = -1
            case said.Released():
                tenure = self.tenures.pop((instance, fact.partition), -1)
                self.checkpoints.handed_over(instance, fact.partition, tenure if fact.clean else -1)
            case said.WindowClosed():
                self.ranges.closed(fact)
            case said.Attempted():
                kinds = self.kinds[fact.delivery_id]
                kinds.add(fact.kind)
                if len(kinds) > 1:
                    raise Violation("12", f"{fact.delivery_id} is both live and windowed")
            case said.GivenUp():
                shapes = self.used[fact.subscription_id]
                loaded = self.applied[instance][0]
                if fact.subscription_id not in loaded.subscriptions and loaded.orphan_grace < 1e6:
                    # The files without it were in use for longer than the grace.
                    self.give_up(fact.subscription_id, began)
                if fact.subscription_id not in self.reset and not any(gives_up(one) for one in shapes):
                    raise Violation("1", f"given up without an operator's act: {fact}")
            case said.Expired():
                if fact.end > self.sources[fact.partition].start:
                    raise Violation("1", f"called lost, and still in the log: {fact}")
                self.lost[fact.subscription_id, fact.partition].append((fact.start, fact.end))
            case said.Skipped() if fact.committed in self.moves[fact.partition]:
                self.given.pop((instance, fact.partition), None)
            case said.StateLost() | said.Unreadable() | said.Skipped():
                if isinstance(fact, self.allowed):
                    return
                raise Violation("1", f"nothing was lost or moved: {fact}")

    def _obeyed(self, instance: str, fact: said.Claimed) -> None:
        """An offset that an operator moved is where it goes on, and is told."""
        moved = self.given.pop((instance, fact.partition), None)
        part = self.state.view.value(part_key(fact.partition))
        if moved is not None and part is not None and part["c"] != moved:
            raise Violation("1", f"{fact.partition} was moved to {moved}, and nothing is said of it: {fact}")

    def _checkpointed(self, instance: str, fact: said.Checkpointed, began: float) -> None:
        partition = fact.partition
        self.checkpoints.completed(instance, partition, self.tenures[instance, partition], began)
        from_start = self.plain and self.earliest
        end = self.beginnings[partition] if from_start else self.sources[partition].end
        self.letter_floor.setdefault(partition, end)
        configuration, _ = self.applied[instance]
        for name in configuration.subscriptions:
            everywhere = all(
                name in other.subscriptions and not gives_up(other.subscriptions[name])
                for other, _ in self.applied.values()
            )
            if everywhere and self.since[instance, name] < began:
                self.floors.setdefault((name, partition), end)

    def committed(self, partition: Partition, offset: int) -> None:
        """The group's offset moves."""
        passed = self.coverage.passed(partition, offset)
        if passed is not None:
            raise Violation("4", f"{partition} is committed to {offset}: {passed}")

    # requests

    def posted(self, instance: str, post: Post, now: float) -> Request:
        """A POST is issued; what it may be is known from what was produced."""
        name = post.subscription_id
        body = orjson.loads(post.body)
        members = [self.facts[event["eventId"]] for event in body["events"]]
        partition = members[0].partition
        if any(fact.account != str(body["accountId"]) or fact.partition != partition for fact in members):
            raise Violation("delivery", f"{name}: {body}")
        if self.bodies.setdefault(post.delivery_id, post.body) != post.body:
            raise Violation("6", f"{name}: {post.delivery_id} has two bodies")
        shape = self.applied[instance][0].subscriptions.get(name)
        if shape is None or not shape.active:
            raise Violation("pause", f"{name} is sent {post.body!r} though it is off at {instance}")
        if len(members) > shape.max_events or [m.position for m in members] != sorted({m.position for m in members}):
            raise Violation("delivery", f"{name}: {[m.position for m in members]}")
        kinds = {self.cadence_of(fact) for fact in members}
        request = Request(
            instance, post, members, kinds.pop() if len(kinds) == 1 else None,
            self.tenures.get((instance, partition), -1), now,
        )  # fmt: skip
        if request.tenure < 0:
            raise Violation("10", f"{instance} sends without a claim: {post.body!r}")
        self._in_flight(request, shape)
        for fact in members:
            if not any(wants(one, fact) for one in self.used[name]):
                raise Violation("routing", f"{name} is sent {fact}, which it never wanted")
            self._not_again(request, fact)
            if self.cadence_of(fact) == Cadence.WINDOWED:
                self.ranges.sent(name, fact, {one.window for one in self.used[name]})
            self.delivered_as[name, fact.id].add(post.delivery_id)
        self._same_group(request)
        if request.kind and name not in self.reset:
            self.begun.setdefault((name, partition, request.kind), members[0].position[0])
        self.flying.append(request)
        return request

    def cadence_of(self, fact: Fact) -> str | None:
        """Of the lane that an event belongs to; None where its cadence was ever changed."""
        kinds = self.cadences[fact.name]
        return str(next(iter(kinds))) if len(kinds) == 1 else None

    def _in_flight(self, request: Request, shape: Subscription) -> None:
        """Law 3."""
        if request.kind is None:
            return
        same = [
            other
            for other in self.flying
            if (other.instance, other.tenure, other.kind) == (request.instance, request.tenure, request.kind)
            and other.post.subscription_id == shape.id
            and other.facts[0].partition == request.facts[0].partition
        ]
        if len(same) >= shape.max_in_flight:
            raise Violation("3", f"{shape.id}: more than {shape.max_in_flight} in flight")
        keys = {key_of(shape, fact) for fact in request.facts}
        for other in same:
            if any(key_of(shape, fact) in keys for fact in other.facts):
                raise Violation("3", f"{shape.id}: two of a key in flight: {other.post.body!r} {request.post.body!r}")

    def _not_again(self, request: Request, fact: Fact) -> None:
        """Law 9: what was settled is sent again only after a crash that followed soon."""
        settled = self.settled.get((request.post.subscription_id, fact.id))
        if settled is None or settled.tenure > request.tenure:
            return
        passed = self.checkpoints.since(settled, fact.partition)
        if self._forgotten_since(settled.at, fact):
            return
        if settled.tenure == request.tenure or passed >= self.checkpoints.kept:
            raise Violation(
                "9", f"{request.post.subscription_id} is sent {fact.id} {fact.position} again by {request.instance}, "
                f"settled in tenure {settled.tenure} by {settled.instance}, {passed} checkpoints ago"
            )  # fmt: skip

    def _forgotten_since(self, moment: float, fact: Fact) -> bool:
        """Whether the group's offset was lost after that, and the partition record's lay before the event."""
        mirror, lost_at = self.forgotten.get(fact.partition, (0, -1.0))
        return moment < lost_at and fact.position[0] >= mirror

    def _settled_soon(self, before: First, request: Request) -> bool:
        """Law 9: all of it was settled, and soon after the tenure ended: for the next one these are new events."""
        partition = request.facts[0].partition
        settled = [self.settled.get((request.post.subscription_id, member)) for member in before.members]
        earlier = [one for one in settled if one is not None and one.tenure < request.tenure]
        return earlier == settled and not any(self.checkpoints.tell(one, partition) for one in earlier)

    def _same_group(self, request: Request) -> None:
        """Law 6: what was attempted is grouped again as it was."""
        name = request.post.subscription_id
        members = frozenset(fact.id for fact in request.facts)
        fresh = First(request.post.delivery_id, members, request.instance, request.tenure, request.posted_at)
        partition = request.facts[0].partition
        for fact in request.facts:
            before = self.firsts.get((name, fact.id))
            if before is not None and before.tenure > request.tenure:
                continue
            if before is None or before.id == fresh.id:
                self.firsts.setdefault((name, fact.id), fresh)
                continue
            firm = before.tenure == fresh.tenure or self.checkpoints.tell(before, partition)
            cut = any(self.expired(self.facts[member]) for member in before.members)
            cut = cut or self._forgotten_since(before.at, fact) or self._settled_soon(before, request)
            if firm and name not in self.reset and not cut and not (before.refused and members < before.members):
                raise Violation("6", f"{name}: {fact.id} was in {set(before.members)}, now in {set(members)}")
            self.firsts[name, fact.id] = fresh

    def expired(self, fact: Fact) -> bool:
        """Whether the log no longer holds it."""
        return fact.position[0] < self.sources[fact.partition].start

    def arrived(self, request: Request) -> None:
        """The endpoint has decided."""
        if not request.accepted:
            return
        name = request.post.subscription_id
        for fact in request.facts:
            first = (name, fact.id) not in self.accepted
            self.accepted[name, fact.id] = self.accepted.get((name, fact.id), 0) + 1
            kind = self.cadence_of(fact)
            if not first or kind is None or not all(wants(one, fact) for one in self.used[name]):
                continue
            shape = min(self.used[name], key=lambda one: (Order.NONE, Order.LEARNER, Order.ACCOUNT).index(one.order))
            skipped = fact.position[0] < max(self.moves[fact.partition], default=0)
            if shape.order is Order.NONE or skipped or self.expired(fact):  # nobody sends that before the others now
                continue
            lane = (name, fact.partition, kind, key_of(shape, fact))
            life = sum(moment <= request.posted_at for moment in self.ended[name])
            furthest, its_life = self.latest.get(lane, ((-1, 0), 0))
            if furthest < fact.position:
                self.latest[lane] = fact.position, life
            elif life >= its_life:  # what a life posted that was given up meanwhile may arrive among a later one's
                raise Violation("2", f"{name}: {fact.id} {fact.position} first comes after {furthest}")

    def answered(self, request: Request, now: float) -> None:
        """The instance learns of the answer at this moment."""
        if request in self.flying:
            self.flying.remove(request)
        status = request.outcome.status if request.outcome else None
        current = self.tenures.get((request.instance, request.facts[0].partition), -1)
        for fact in request.facts:
            key = (request.post.subscription_id, fact.id)
            settled = self.settled.get(key)
            if status == 200 and current == request.tenure and (not settled or settled.tenure <= current):
                self.ever_settled.add(key)
                self.settled[key] = Settled(request.instance, request.tenure, now)
            first = self.firsts.get(key)
            if status in (400, 413, 422) and first is not None and first.id == request.post.delivery_id:
                first.refused = True

    def buried(self, bury: Bury) -> None:
        """A dead letter is in its topic."""
        self.letters.add((bury.partition, bury.offset, bury.index, bury.subscription_id))
        if bury.reason is LetterReason.MALFORMED:
            if (bury.partition, bury.offset, bury.index) not in self.malformed:
                raise Violation("letter", f"a good event is called malformed: {bury}")
            return
        if bury.reason is LetterReason.EXPIRED and bury.offset < self.sources[bury.partition].start:
            return
        if bury.reason is not LetterReason.REJECTED or bury.value is None:
            raise Violation("letter", f"{bury}")
        fact = self.facts[orjson.loads(bury.value)["eventId"]]
        if not fact.poison or fact.position != (bury.offset, bury.index):
            raise Violation("letter", f"a good event was given up: {bury}")

    def owes(self, name: str, fact: Fact) -> bool:
        """Whether the subscription was promised the event, if it wants it."""
        floor = self.floors.get((name, fact.partition))
        kind = self.cadence_of(fact)
        if kind is not None and name not in self.reset:
            begun = self.begun.get((name, fact.partition, kind))
            floor = min((one for one in (floor, begun) if one is not None), default=None)
        if kind != Cadence.WINDOWED and fact.position[0] < max(self.moves[fact.partition], default=0):
            return False
        return floor is not None and fact.position[0] >= floor

    def moved(self, partition: Partition, offset: int) -> None:
        """An operator moved the group's offset: what lies before it is given up, what comes after it comes again.

        Windows go on where their records say. Where nothing is durable yet, they begin there, too.
        """
        self.moves[partition].append(offset)
        self.letter_floor[partition] = max(offset, self.letter_floor.get(partition, 0))
        again = {
            fact.id
            for fact in self.facts.values()
            if fact.partition == partition and fact.position[0] >= offset and self.cadence_of(fact) != Cadence.WINDOWED
        }
        self.settled = {key: one for key, one in self.settled.items() if key[1] not in again}
        self.firsts = {key: one for key, one in self.firsts.items() if key[1] not in again}
        self.latest = {key: one for key, one in self.latest.items() if key[1] != partition}
