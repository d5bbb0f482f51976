"""How does it stand, asked from outside? /metrics, /healthz, /readyz, /status and /configuration over HTTP.

/healthz is the loops' own progress, not that a handler answers: 503 means that only a restart helps. What a restart
does not mend (Kafka is away, the files have mistakes) stands in its reasons and changes no answer. /readyz is 503 while
nothing can come in. /status puts what is wrong first, and says what to do about it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from lmshooks.core.comparing import Outline
from lmshooks.core.durations import spell
from lmshooks.core.stats import PartitionStats, Stats, SubscriptionStats, WindowStats


class Progress(NamedTuple):
    """How one loop of the shell gets on."""

    age: float
    """Seconds since it last got round."""
    ok: bool
    """Whether that is no longer than it may take."""


class Health(NamedTuple):
    """Is it alive, and what is wrong? The loops decide the first; the reasons are whatever else is wrong, in words."""

    loops: Mapping[str, Progress]
    reasons: tuple[str, ...] = ()

    @property
    def alive(self) -> bool:
        """Whether every loop gets on: where not, a restart is what helps."""
        return all(loop.ok for loop in self.loops.values())

    def complaints(self) -> list[str]:
        """What is wrong, one sentence each."""
        stuck = ((name, loop.age) for name, loop in self.loops.items() if not loop.ok)
        return [*(f"{name} has made no progress for {age:.0f} s" for name, age in stuck), *self.reasons]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the answers come from; each is asked when somebody asks."""

    metrics: Callable[[], tuple[bytes, str]]
    """The exposition and its content type."""
    health: Callable[[], Health]
    missing: Callable[[], Sequence[str]]
    """What is not ready yet; empty when it is."""
    stats: Callable[[float], Stats]
    configuration: Callable[[], Outline]
    """What is applied, without its secrets."""
    clock: Callable[[], float]
    instance: str
    version: str


class Admin:
    """The HTTP server for operators. Not for the world: it has no authentication."""

    def __init__(self, host: str, port: int, sources: Sources) -> None:
        """`port` 0 takes a free one; `port` tells which after `start`."""
        self.port = port
        self._host = host
        self._sources = sources
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen. Raises OSError where the address cannot be had."""
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/status", self._status)
        app.router.add_get("/configuration", self._configuration)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the socket; answers under way get a second."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _metrics(self, request: web.Request) -> web.Response:
        body, content_type = self._sources.metrics()
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _health(self, request: web.Request) -> web.Response:
        health = self._sources.health()
        loops = {name: {"age": round(loop.age, 3), "ok": loop.ok} for name, loop in health.loops.items()}
        return _answer({"alive": health.alive, "loops": loops, "reasons": health.complaints()}, health.alive)

    async def _ready(self, request: web.Request) -> web.Response:
        missing = list(self._sources.missing())
        return _answer({"ready": not missing, "missing": missing}, not missing)

    async def _status(self, request: web.Request) -> web.Response:
        now = self._sources.clock()
        told = picture(self._sources.stats(now), self._sources.health(), now)
        return _answer({"instance": self._sources.instance, "version": self._sources.version, **told}, True)

    async def _configuration(self, request: web.Request) -> web.Response:
        # In a thread: of a hundred thousand subscriptions it takes seconds.
        told = await asyncio.to_thread(lambda: orjson.dumps(self._sources.configuration()))
        return web.Response(body=told, content_type="application/json")


def _answer(value: Mapping[str, Any], good: bool) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=200 if good else 503, content_type="application/json")


OK, NOTE, WRONG = "ok", "note", "wrong"
NAMED = 5
"""Accounts that are named in a line, at most."""
_RANK = {WRONG: 0, NOTE: 1, OK: 2}


def picture(stats: Stats, health: Health, now: float) -> dict[str, Any]:
    """The machine as a reader wants it: ages in seconds, what is wrong first, and one line that says what to do."""
    subscriptions = [_subscription(each, now) for each in stats.subscriptions]
    subscriptions.sort(key=lambda each: (_RANK[each["severity"]], -(each["oldest_owed_age"] or 0.0), each["id"]))
    partitions = [_partition(each, now) for each in stats.partitions]
    partitions.sort(key=lambda each: (_RANK[each["severity"]], -each["lag"], each["topic"], each["number"]))
    wrong = [each for each in (*partitions, *subscriptions) if each["severity"] == WRONG]
    complaints = health.complaints()
    return {
        "ok": not wrong and not complaints,
        "summary": _summary(complaints, wrong, stats),
        "health": complaints,
        "configuration": stats.version,
        "configured": stats.configured,
        "posts": stats.posts,
        "failing_posts": stats.failing_posts,
        "memory": stats.memory,
        "lag": sum(each["lag"] for each in partitions),
        "subscriptions": subscriptions,
        "partitions": partitions,
        "windows": [_window(each, now) for each in stats.windows],
    }


def _summary(complaints: Sequence[str], wrong: Sequence[Mapping[str, Any]], stats: Stats) -> str:
    """The one line: the worst thing and what to do about it, or that all is well."""
    more = len(complaints) + len(wrong) - 1
    rest = f" (and {more} more)" if more > 0 else ""
    if complaints:
        return f"the daemon is not well: {complaints[0]}{rest}"
    if wrong:
        worst = wrong[0]
        return f"{worst['name']}: {worst['why']}{rest}; {worst['advice']}"
    if not stats.partitions:
        return "no partition is owned here yet: another instance has them, or the group is still forming"
    return f"all is well: {_count(stats.configured, 'subscription')}, {_count(len(stats.partitions), 'partition')}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


_PARTITION_ADVICE = {
    "lost": (WRONG, "the state topic ends before what was committed", "see LmshooksStateLost in docs/operations.md"),
    "unreadable": (WRONG, "a state record of it cannot be read", "see LmshooksStateUnreadable in docs/operations.md"),
    "held": (WRONG, "Kafka confirms no write and no commit", "look at Kafka; work goes on by itself when it is back"),
    "stuck": (WRONG, "its live feed has not moved for {still}, with {lag} in the log",
              "see that Kafka is well, then restart this instance: nothing is lost"),
    "full": (NOTE, "its live feed waits: what is queued is at limits.memory", "see whose endpoints are slow"),
    "claiming": (NOTE, "its claim is not read back yet", ""),
    "starting": (NOTE, "it is being taken over", ""),
    "releasing": (NOTE, "it is being given back", ""),
}  # fmt: skip


def _partition(each: PartitionStats, now: float) -> dict[str, Any]:
    severity, why, advice = _PARTITION_ADVICE.get(each.state, (OK, "", ""))
    lag = max(0, each.log_end - each.read)
    still = spell(now - each.still_since) if each.still_since is not None else ""
    return {
        "name": str(each.partition),
        "topic": each.partition.topic,
        "number": each.partition.number,
        "state": each.state,
        "severity": severity,
        "why": why.format(still=still, lag=_count(lag, "record")),
        "advice": advice,
        "tenure": each.tenure,
        "read": each.read,
        "committed": each.committed,
        "log_end": each.log_end,
        "lag": lag,
        "sweeps": each.sweeps,
        "pending_letters": each.pending_letters,
        "checkpoint_age": _age(each.last_checkpoint, now),
    }


def _subscription(each: SubscriptionStats, now: float) -> dict[str, Any]:
    severity, why, advice = _judge(each, now)
    return {
        "name": f"subscription {each.id}",
        "id": each.id,
        "account": each.account,
        "state": each.state,
        "severity": severity,
        "why": why,
        "advice": advice,
        "lanes": {"attached": each.attached, "detached": each.detached, "failing": each.failing},
        "in_flight": each.in_flight,
        "owed": each.owed,
        "unseen": each.unseen,
        "queued": each.queued,
        "behind": each.behind,
        "oldest_owed_age": _age(each.oldest_owed_at, now),
        "held_accounts": each.held,
        "failing_for": _age(each.failing_since, now),
        "next_attempt_in": None if each.next_attempt is None else round(max(0.0, each.next_attempt - now), 3),
        "last_status": each.last_status,
        "last_verdict": each.last_verdict,
        "last_detail": each.last_detail,
        "host": each.host,
        "suspended_for": _age(each.suspended_at, now),
        "suspended_reason": each.suspended_for,
        "settled_age": _age(each.settled_at, now),
    }


def _judge(each: SubscriptionStats, now: float) -> tuple[str, str, str]:
    """How bad, why, and what to do."""
    ago = "" if each.suspended_at is None else f" {spell(max(0.0, now - each.suspended_at))} ago"
    if each.suspended_for == "gone":
        why = f"suspended{ago}, its endpoint answered 410 Gone"
        return WRONG, why, f"when it is back: lmshooks resume {each.id}; else remove the subscription"
    if each.suspended_for is not None:
        why = f"suspended{ago} ({each.suspended_for}), its endpoint failed for days"
        return WRONG, why, f"mend the endpoint, then: lmshooks resume {each.id}"
    if each.state == "orphaned":
        return NOTE, "it is in no file; what it is owed is forgotten after the grace", "put it back to keep it"
    if each.failing_since is not None:
        since = f"failing for {spell(max(0.0, now - each.failing_since))}"
        answered = "last answer" if each.last_status.isdecimal() else "no answer"
        last = f", {answered}: {each.last_status}" if each.last_status else ""
        return WRONG, since + last, "look at its endpoint; retries go on by themselves"
    if each.held:
        some = ", ".join(each.held[:NAMED]) + (" ..." if len(each.held) > NAMED else "")
        which = "account" if len(each.held) == 1 else "accounts"
        why = f"its endpoint takes nothing of {which} {some}, and all of others"
        return WRONG, why, "look why it refuses these events; they wait in the log, and retries go on by themselves"
    if each.state == "inactive":
        return NOTE, "switched off in its file; what comes is held", ""
    if each.detached:
        return NOTE, "catching up", ""
    return OK, "", ""


def _window(each: WindowStats, now: float) -> dict[str, Any]:
    return {
        "name": each.name,
        "next_close_in": round(each.next_close - now, 3),
        "last_close_age": _age(each.last_close, now),
        "open_ranges": each.open_ranges,
    }


def _age(at: float | None, now: float) -> float | None:
    return None if at is None else round(max(0.0, now - at), 3)
