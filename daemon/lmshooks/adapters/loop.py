"""When is the machine woken, and who carries out what it says? The only timer; the one place where it meets the world.

    group, log, state topic, answers ──> an input, with `now` ──> Dispatcher
                                                                     │ take()
    Post                                     <── begun at once ──────┤
    Read Commit WriteState Bury AskEnd       <── a task each ────────┤
    Start Hold                               <── at once ────────────┤
    facts                                    ──> log and metrics ────┘

No await between an input and the carrying out of its commands: what the machine decided is under way before anything
else can happen. An exception out of the machine is the end of the process: what it knows may be wrong from then on, and
all of it is in Kafka. The supervisor starts another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from lmshooks.core.commands import AskEnd, Bury, Command, Commit, Entry, Hold, Post, Read, Start, WriteState
from lmshooks.core.configuration import Configuration
from lmshooks.core.dispatcher import Dispatcher
from lmshooks.core.events import Record
from lmshooks.core.facts import Fact
from lmshooks.core.positions import Partition
from lmshooks.core.retrying import Outcome
from lmshooks.core.stats import Stats
from lmshooks.core.subscriptions import Endpoint

HEARTBEAT = 1.0
"""Seconds between wake-ups, at most: the machine's clock may be set forward while the loop's is not."""
HURRIED = 2.0
"""Seconds that the last checkpoint gets once the requests in flight are waited for no more."""


class Poster(Protocol):
    """Posts once; raises nothing. Tells how it ended after `begin` has returned, exactly once."""

    def begin(
        self, endpoint: Endpoint, delivery_id: str, attempt: int, body: bytes, done: Callable[[Outcome], None]
    ) -> None: ...


class Feeds(Protocol):
    """The consumer group."""

    def start_at(self, partition: Partition, offset: int) -> None: ...
    def hold(self, partition: Partition, held: bool) -> None: ...
    async def commit(self, partition: Partition, offset: int, metadata: str) -> bool: ...
    async def log_end(self, partition: Partition) -> int | None: ...


class Range(Protocol):
    """What was read of a range."""

    @property
    def records(self) -> Sequence[Any]: ...
    @property
    def next_offset(self) -> int: ...


class Ranges(Protocol):
    """The second reader. Raises an exception with a `log_start` where the log no longer holds the offset."""

    async def read(self, partition: Partition, stream: int, offset: int, end: int) -> Range: ...


class StateWriter(Protocol):
    """Appends to the state topic, in one batch; raises where that is not certain."""

    async def write(self, entries: Sequence[tuple[bytes, bytes | None]]) -> None: ...


class LetterWriter(Protocol):
    """Writes dead letters; tells whether that is certain."""

    async def write(self, bury: Bury) -> bool: ...


class Report(Protocol):
    """Who is told what became true."""

    def report(self, facts: Sequence[Fact], now: float) -> None: ...
    def late(self, seconds: float) -> None: ...


class Ports(NamedTuple):
    """Everything outside that the machine's commands need."""

    poster: Poster
    feeds: Feeds
    ranges: Ranges
    state: StateWriter
    letters: LetterWriter
    report: Report


class Loop:
    """Drives one machine. It is the intake's sink; `arm` starts the timer."""

    def __init__(self, machine: Dispatcher, clock: Callable[[], float], ports: Ports, revoke_timeout: float) -> None:
        """`revoke_timeout`: seconds for which requests in flight are waited for when a partition is taken back."""
        self._machine = machine
        self._clock = clock
        self._ports = ports
        self._revoke_timeout = revoke_timeout
        self._now = clock()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._planned = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: list[tuple[Post, Outcome]] = []
        """What the machine is told together, when the loop comes round: a turn for all, not one for each."""
        self._turned: asyncio.Future[None] = self._loop.create_future()
        self.failed: asyncio.Future[None] = self._loop.create_future()
        """Ends with the exception that broke the machine."""
        self.turned_at = self._loop.time()
        """When the timer last fired (the loop's seconds)."""
        self.posted = 0
        """Requests made since the start."""

    # --- the world reports ------------------------------------------------------------------------------------------

    def arm(self) -> None:
        """Starts the timer."""
        self._input(self._machine.wake)

    def followed(self, entries: Sequence[Entry]) -> None:
        """The state topic, as it was read back."""
        self._input(lambda now: self._machine.followed(entries, now))

    def current(self, age: float) -> None:
        """The state topic has been read to its end as it was `age` seconds ago."""
        self._input(lambda now: self._machine.current(now - age, now))

    def configured(self, configuration: Configuration) -> None:
        """Another configuration is in force."""
        self._input(lambda now: self._machine.configured(configuration, now))

    async def on_assigned(
        self, partition: Partition, committed: int | None, metadata: str, log_start: int, log_end: int, start: int
    ) -> None:
        """The group gave us the partition."""
        self._input(lambda now: self._machine.assigned(partition, committed, metadata, log_start, log_end, start, now))

    async def on_revoked(self, partitions: Sequence[Partition]) -> None:
        """The group takes them back when this returns. Cancelling it (a deadline of the caller's) forgets them too."""
        try:
            self._input(lambda now: self._each(self._machine.release, partitions, now))
            if not await self._released(partitions, self._revoke_timeout):
                self._input(lambda now: self._each(self._machine.hurry, partitions, now))
                await self._released(partitions, HURRIED)
        finally:
            self._input(lambda now: self._each(self._machine.revoked, partitions, now))

    async def drain(self, partitions: Sequence[Partition], timeout: float) -> bool:
        """No new posts; returns whether all that was in flight ended, and was checkpointed, within so many seconds.

        The partitions stay ours: `on_revoked` comes after it.
        """
        self._input(lambda now: self._each(self._machine.release, partitions, now))
        return await self._released(partitions, timeout)

    def on_lost(self, partitions: Sequence[Partition]) -> None:
        """They are somebody else's already."""
        self._input(lambda now: self._each(self._machine.revoked, partitions, now))

    def on_records(self, partition: Partition, records: Sequence[Record], next_offset: int, log_end: int) -> None:
        """The live feed went on."""
        self._input(lambda now: self._machine.records(partition, records, next_offset, log_end, now))

    def on_expired(self, partition: Partition, log_start: int) -> int:
        """The live feed's position is no longer in the log; returns where to go on."""
        onward = [log_start]

        def tell(now: float) -> None:
            onward[0] = self._machine.feed_expired(partition, log_start, now)

        self._input(tell)
        return onward[0]

    def stats(self, now: float) -> Stats:
        """The picture of the machine."""
        return self._machine.stats(max(now, self._now))

    async def close(self) -> None:
        """No more timer, no more tasks: what is under way is left unanswered."""
        self.failed.cancel()
        if self._timer is not None:
            self._timer.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- the turn ---------------------------------------------------------------------------------------------------

    def _input(self, tell: Callable[[float], None]) -> None:
        """One thing that happened, and all that follows from it."""
        if self.failed.done():
            return
        self._now = max(self._now, self._clock())
        try:
            tell(self._now)
            self._turn()
        except Exception as error:
            self.failed.set_exception(error)
            if self._timer is not None:
                self._timer.cancel()

    def _turn(self) -> None:
        while True:
            commands, facts = self._machine.take()
            for command in commands:
                self._carry_out(command)
            if facts:
                self._ports.report.report(facts, self._now)
            if not commands:
                break
        if not self._turned.done():
            self._turned.set_result(None)
        self._rearm()

    def _rearm(self) -> None:
        wakeup = self._machine.next_wakeup()
        wait = HEARTBEAT if wakeup is None else min(HEARTBEAT, max(0.0, wakeup - self._now))
        planned = self._loop.time() + wait
        if self._timer is not None and not self._timer.cancelled():
            if abs(planned - self._planned) < 0.001 or (wait == HEARTBEAT and self._planned <= planned):
                # The timer that stands is as good, or sooner: moving it at every input would cost more than it saves.
                return
            self._timer.cancel()
        self._planned = planned
        self._timer = self._loop.call_at(planned, self._wake)

    def _wake(self) -> None:
        self._timer = None
        # Loops fire a little early: the machine must not be asked before what it asked for.
        at = max(self._planned, self._loop.time())
        self.turned_at = at
        self._ports.report.late(at - self._planned)
        wakeup = self._machine.next_wakeup()
        if wakeup is not None and 0.0 < wakeup - self._clock() < 0.002:
            self._now = max(self._now, wakeup)
        self._input(self._machine.wake)

    @staticmethod
    def _each(tell: Callable[[Partition, float], None], partitions: Sequence[Partition], now: float) -> None:
        for partition in partitions:
            tell(partition, now)

    async def _released(self, partitions: Sequence[Partition], timeout: float) -> bool:
        """Whether the last checkpoints of all were confirmed within so many seconds."""
        try:
            async with asyncio.timeout(timeout):
                while not self.failed.done() and not all(self._machine.released(each) for each in partitions):
                    if self._turned.done():
                        self._turned = self._loop.create_future()
                    await asyncio.wait({self._turned, self.failed}, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            return False
        return True

    # --- carrying out -----------------------------------------------------------------------------------------------

    def _carry_out(self, command: Command) -> None:
        match command:
            case Post():
                self.posted += 1
                self._ports.poster.begin(
                    command.endpoint,
                    command.delivery_id,
                    command.attempt,
                    command.body,
                    partial(self._answered, command),
                )
            case Commit():
                self._spawn(self._commit(command))
            case WriteState():
                self._spawn(self._write(command))
            case Read():
                self._spawn(self._read(command))
            case Bury():
                self._spawn(self._bury(command))
            case AskEnd():
                self._spawn(self._ask(command))
            case Start(partition, offset):
                self._ports.feeds.start_at(partition, offset)
            case Hold(partition, held):
                self._ports.feeds.hold(partition, held)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        # The set is the strong reference: asyncio itself keeps none.
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self.failed.done():
            # A port that raises what it must not leaves a command without an answer: the machine would wait for ever.
            self.failed.set_exception(error)

    def _answered(self, post: Post, outcome: Outcome) -> None:
        if not self._answers:
            self._loop.call_soon(self._tell_answers)
        self._answers.append((post, outcome))

    def _tell_answers(self) -> None:
        answers, self._answers = self._answers, []
        self._input(lambda now: self._machine.answered(answers, now))

    async def _commit(self, commit: Commit) -> None:
        ok = await self._ports.feeds.commit(commit.partition, commit.offset, commit.metadata)
        self._input(lambda now: self._machine.committed(commit, ok, now))

    async def _write(self, write: WriteState) -> None:
        try:
            await self._ports.state.write(write.entries)
        except Exception:
            # Why is in the adapter's log; for the machine the write's fate is unknown.
            self._input(lambda now: self._machine.write_failed(write, now))

    async def _read(self, read: Read) -> None:
        try:
            chunk = await self._ports.ranges.read(read.partition, read.stream, read.offset, read.end)
        except Exception as error:
            log_start = getattr(error, "log_start", None)
            if log_start is None:
                self._input(lambda now: self._machine.read_failed(read, now))
            else:
                self._input(lambda now: self._machine.expired(read, log_start, now))
            return
        self._input(lambda now: self._machine.swept(read, chunk.records, chunk.next_offset, now))

    async def _bury(self, bury: Bury) -> None:
        ok = await self._ports.letters.write(bury)
        self._input(lambda now: self._machine.buried(bury, ok, now))

    async def _ask(self, ask: AskEnd) -> None:
        end = await self._ports.feeds.log_end(ask.partition)
        if end is not None:
            self._input(lambda now: self._machine.ended(ask, end, now))
