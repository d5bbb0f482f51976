"""How is it all put together, and in which order does it start and stop? All wiring and signals: only here.

    start   admin HTTP -> topics (waits for Kafka) -> state topic read to its end -> consumer group -> deliveries
    stop    no new posts -> requests in flight, last checkpoint -> out of the group -> everything closed

SIGTERM and SIGINT stop it so; a second one stops it at once. SIGHUP, or a change on disk, reloads the subscriptions.
What comes before the handlers are set is in `signals`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka.errors import KafkaError

from lmshooks import __version__, signals
from lmshooks.adapters import heap, logs
from lmshooks.adapters.admin import Admin, Health, Progress, Sources, picture
from lmshooks.adapters.clock import Clock
from lmshooks.adapters.dead_letters import DeadLetters
from lmshooks.adapters.egress import Guard, socket_factory
from lmshooks.adapters.http import Poster
from lmshooks.adapters.intake import Intake
from lmshooks.adapters.kafka_client import describe, quiet_aiokafka
from lmshooks.adapters.loop import HURRIED, Loop, Ports
from lmshooks.adapters.reporting import Reporter
from lmshooks.adapters.resolving import Resolver
from lmshooks.adapters.state import StateTopic
from lmshooks.adapters.sweeps import Sweeper
from lmshooks.adapters.systemd import Standing, Supervisor
from lmshooks.adapters.topics import TopicRefused, prepare
from lmshooks.adapters.watching import changes, touched_since
from lmshooks.config import ConfigurationMistakes, load
from lmshooks.core.comparing import outline_of
from lmshooks.core.dispatcher import Dispatcher

if TYPE_CHECKING:
    from lmshooks.config import DaemonSettings, Loaded
    from lmshooks.core.configuration import Schedule

log = structlog.get_logger()

STUCK = 10.0
"""Seconds without a turn of the loop after which it is not alive."""
AWAY = 4
"""Request time-outs without an answer to the state topic's follower after which Kafka counts as away."""
FILES_OPEN = 65536
"""Files that may be open at once, where the system lets us: as in deploy/systemd."""
FILES = "files"
"""Why a reload: something changed on disk, if only the time of a file."""
_CLOSES = 60
"""Closes of a window that are looked at for its longest gap."""


def run(directory: Path, environ: Mapping[str, str] = os.environ) -> int:
    """The daemon's whole life; returns the exit status. 1: it broke, or was told twice to stop. 2: cannot start so."""
    try:
        loaded = load(directory, environ)
    except ConfigurationMistakes as mistakes:
        sys.stderr.write(f"{mistakes.shown()}\n")
        return 2
    logs.configure(loaded.daemon.logs.level, "console" if loaded.daemon.logs.format == "console" else "json")
    quiet_aiokafka()
    # Events are many and make no cycles: to look for cycles after every 700 objects costs more than it finds.
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    factory = None
    if sys.platform != "win32":
        import uvloop

        _open_many_files()
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(Daemon(directory, environ, loaded).run())


def _open_many_files() -> None:
    """Every connection is a file, and a shell begins with 1,024 of them: as many as we may have without asking."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_OPEN if hard == resource.RLIM_INFINITY else min(hard, FILES_OPEN)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # then it stays as it is
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Daemon:
    """One process. Make it inside the running loop."""

    def __init__(self, directory: Path, environ: Mapping[str, str], loaded: Loaded) -> None:
        self._directory = directory
        self._environ = environ
        self._loaded = loaded
        self._settings = loaded.daemon
        self._stopping: asyncio.Event | None = None
        self._reloading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._missing: list[str] = ["the topics are not checked yet"]
        self._mistakes: str | None = None
        """The first of those that keep what is on disk from being loaded."""
        self._refused: str | None = None
        """All of them."""
        self._supervisor = Supervisor(environ, os.getpid())
        name = self._settings.kafka.instance_id or socket.gethostname()
        # A name of this life alone: a claim of an earlier one that lands late must not look like ours.
        self._instance = f"{name}-{secrets.token_hex(4)}"

    async def run(self) -> int:
        """Until it is told to stop."""
        self._stopping = asyncio.Event()
        self._build()
        self._listen_to_signals()
        admin = Admin(self._settings.admin.host, self._settings.admin.port, self._sources())
        try:
            await admin.start()
        except OSError as error:
            log.error("admin.refused", host=self._settings.admin.host, port=self._settings.admin.port, why=str(error))
            return 2
        for warning in self._loaded.warnings:
            log.warning("configuration.doubtful", why=warning)
        log.info("daemon.starting", version=__version__, instance=self._instance, admin_port=admin.port)
        self._spawn(self._supervisor.keep_told(self._standing))
        self._spawn(heap.keep_released())
        try:
            return await self._live()
        except TopicRefused as refused:
            for line in str(refused).splitlines():
                log.error("topics.refused", why=line)
            return 2
        finally:
            await self._close()
            await admin.stop()
            log.info("daemon.stopped")

    def _build(self) -> None:
        settings, kafka = self._settings, self._settings.kafka
        clock = Clock()
        self._now = clock.now
        self._report = Reporter(__version__, clock.now, logs.hot_lines())
        self._machine = Dispatcher(
            self._instance, self._loaded.configuration, settings.limits, clock.now(), kafka.session_timeout
        )
        self._poster = poster_of(settings)
        self._state = StateTopic(kafka)
        self._letters = DeadLetters(kafka)
        self._sweeper = Sweeper(kafka)
        sink = _Later()
        self._intake = Intake(kafka, sink)
        ports = Ports(self._poster, self._intake, self._sweeper, self._state, self._letters, self._report)
        # The group waits for 0.8 of the session time-out when it takes partitions back; the last checkpoint is in it.
        revoke = min(settings.drain_timeout, max(0.5, 0.8 * kafka.session_timeout - HURRIED - 0.5))
        self._loop = Loop(self._machine, clock.now, ports, revoke)
        sink.become(self._loop)
        self._report.watch(self._loop.stats, lambda: not self._not_ready())

    async def _live(self) -> int:
        assert self._stopping is not None
        told: asyncio.Future[Any] = asyncio.create_task(self._stopping.wait(), name="told-to-stop")
        starting = asyncio.create_task(self._start(), name="start")
        self._spawn(self._watch())  # from now on: the start may wait for Kafka for long
        try:
            await asyncio.wait((told, starting), return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                return 0
            starting.result()
            intake = asyncio.create_task(self._intake.run(), name="intake")
            follow = asyncio.create_task(self._state.follow(self._loop.followed, self._loop.current), name="state")
            try:
                ends: set[asyncio.Future[Any]] = {told, intake, follow, self._loop.failed}
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                if told.done() and not self._loop.failed.done():
                    await self._drain()
                    return 0
                return self._broken(intake, follow)
            finally:
                for task in (intake, follow):
                    task.cancel()
                await asyncio.gather(intake, follow, return_exceptions=True)
        finally:
            told.cancel()
            starting.cancel()
            await asyncio.gather(told, starting, return_exceptions=True)

    async def _start(self) -> None:
        """Topics, then the state topic to its end; as often as it takes while Kafka is away."""
        kafka, configuration = self._settings.kafka, self._loaded.configuration
        horizon = max((each.retry.horizon for each in configuration.subscriptions.values()), default=0.0)
        wait, began = 0.5, time.monotonic()
        while True:
            try:
                for warning in await prepare(kafka, longest_window(configuration.windows, self._now()), horizon):
                    log.warning("topics.doubtful", why=warning)
                self._missing = ["the state topic is not read yet"]
                entries = await self._state.start()
                break
            except (KafkaError, OSError, TimeoutError) as error:
                why = describe(error)
                self._missing = [f"Kafka is not reached: {why}"]
                log.warning(
                    "kafka.unreachable", servers=kafka.bootstrap_servers, why=why,
                    for_seconds=round(time.monotonic() - began), again_in=wait,
                )  # fmt: skip
                await asyncio.sleep(wait)
                wait = min(wait * 2, 10.0)
        self._loop.followed(entries)
        self._loop.arm()
        self._missing = []
        log.info("state.read", entries=len(entries), subscriptions=len(configuration.subscriptions))

    async def _drain(self) -> None:
        self._missing = ["it is stopping"]
        partitions = self._intake.assigned
        log.info("daemon.draining", partitions=len(partitions), seconds=self._settings.drain_timeout)
        await self._loop.drain(partitions, self._settings.drain_timeout)
        await self._intake.stop()

    def _broken(self, intake: asyncio.Task[None], follow: asyncio.Task[None]) -> int:
        """Say what broke. The machine is not asked anything any more: what it knows may be wrong."""
        for name, ended in (("machine", self._loop.failed), ("intake", intake), ("state", follow)):
            if ended.done() and not ended.cancelled():
                error = ended.exception()
                log.error("daemon.broken", part=name, why=repr(error), next="exit; all is in Kafka", exc_info=error)
        return 1

    async def _close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._loop.close()
        for close in (self._sweeper.stop, self._letters.stop, self._state.stop, self._poster.close):
            with contextlib.suppress(Exception):
                await close()

    # --- reloads ----------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        read_at: float | None = self._loaded.read_at
        while True:
            try:
                async for _ in changes(self._directory):
                    # To read a hundred thousand subscriptions twice at the start takes seconds, and is seldom of use.
                    if read_at is None or await asyncio.to_thread(touched_since, self._directory, read_at):
                        await self._reload(FILES)
                    read_at = None
            except Exception as error:  # whatever it is: the next change must be seen
                log.warning("watch.failed", why=f"{type(error).__name__}: {error}")
            await asyncio.sleep(5.0)

    async def _reload(self, why: str) -> None:
        async with self._reloading:
            self._supervisor.reloading()
            try:
                await self._read_again(why)
            finally:
                self._supervisor.reloaded()

    async def _read_again(self, why: str) -> None:
        """Valid: applied. With mistakes: the last good configuration stays, and health says so."""
        try:
            # In a thread: a hundred thousand subscriptions take seconds.
            loaded = await asyncio.to_thread(load, self._directory, self._environ)
        except (ConfigurationMistakes, OSError) as mistakes:
            told = str(mistakes)
            if why == FILES and told == self._refused:
                return  # said already; and what is logged below the folder must not be a change that is logged
            self._refused, self._mistakes = told, told.splitlines()[0]
            self._report.reloaded(False)
            for line in told.splitlines():
                log.error("configuration.refused", why=line)
            return
        same = loaded.configuration.version == self._loaded.configuration.version
        if why == FILES and same and loaded.daemon == self._loaded.daemon and self._mistakes is None:
            return
        self._refused = self._mistakes = None
        self._report.reloaded(True)
        if loaded.daemon != self._settings:
            log.warning("configuration.needs_restart", why="daemon.yaml changed: only a restart applies it")
        log.info("configuration.loaded", by=why, version=loaded.configuration.version)
        self._loaded = loaded
        self._loop.configured(loaded.configuration)

    # --- signals and answers ----------------------------------------------------------------------------------------

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._reload("SIGHUP")))
        if signals.reload_told():
            self._spawn(self._reload("SIGHUP"))

    def _stop(self, number: int) -> None:
        assert self._stopping is not None
        if self._stopping.is_set():
            log.warning("daemon.aborted", signal=signal.Signals(number).name)
            logs.flush()
            os._exit(1)
        log.info("daemon.stopping", signal=signal.Signals(number).name)
        self._supervisor.stopping()
        self._stopping.set()

    def _spawn(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _sources(self) -> Sources:
        return Sources(
            metrics=self._report.exposition,
            health=self._health,
            missing=self._not_ready,
            stats=self._loop.stats,
            configuration=lambda: outline_of(self._machine.context.configuration),
            clock=self._now,
            instance=self._instance,
            version=__version__,
        )

    def _health(self) -> Health:
        reasons = [f"the configuration on disk has mistakes: {self._mistakes}"] if self._mistakes else []
        reasons += self._not_ready()
        if self._missing:
            # Starting or stopping: the loops below do not run.
            return Health({}, tuple(reasons))
        now, patience = time.monotonic(), max(6 * STUCK, 6 * self._settings.kafka.request_timeout)
        turned = asyncio.get_running_loop().time() - self._loop.turned_at
        followed = now - self._state.turned_at
        return Health(
            {
                "loop": Progress(turned, turned < STUCK),
                "intake": Progress(now - self._intake.last_poll, self._intake.alive),
                # It waits for Kafka when it connects again, never longer than a few time-outs.
                "state": Progress(followed, followed < patience),
            },
            tuple(reasons),
        )

    def _not_ready(self) -> list[str]:
        if self._missing:
            return [*self._missing]
        reasons = [f"nothing comes in: {self._intake.fault}"] if self._intake.fault else []
        silent = time.monotonic() - self._state.last_progress
        if silent > AWAY * self._settings.kafka.request_timeout:
            reasons.append(f"Kafka has not answered for {silent:.0f} s")
        return reasons

    def _standing(self) -> Standing:
        health, now = self._health(), self._now()
        summary: str = picture(self._loop.stats(now), health, now)["summary"]
        return Standing(health.alive, not self._not_ready(), summary)


def poster_of(settings: DaemonSettings) -> Poster:
    """What posts deliveries: the daemon's, and that of `lmshooks test`. Make it inside the running loop."""
    guard = socket_factory(Guard(settings.egress.allow_networks))
    return Poster(guard, allow_http=settings.egress.allow_http, resolver=Resolver())


class _Later:
    """The intake's sink before there is a loop: the two need each other."""

    def become(self, loop: Loop) -> None:
        self.on_assigned = loop.on_assigned
        self.on_revoked = loop.on_revoked
        self.on_lost = loop.on_lost
        self.on_records = loop.on_records
        self.on_expired = loop.on_expired


def longest_window(windows: Mapping[str, Schedule], now: float) -> float:
    """Seconds between two closes, at most, over the windows' next closes."""
    longest = 0.0
    for schedule in windows.values():
        last = schedule.last_close(now)
        for _ in range(_CLOSES):
            close = schedule.next_close(last)
            longest, last = max(longest, close - last), close
    return longest
