"""What is told about what happened? Facts become log lines and numbers; the picture is drawn at scrape time.

    Facts  ──> report() ──> one log line each (core.facts.NAMES), and plain tallies
    Stats  ──> collect() ─┴> /metrics, only when somebody asks

The way of every attempt leads through `report`, so it counts in plain dictionaries; what Prometheus needs is made from
them by `collect`. Labels are closed sets and ids: never a URL, an account or a learner.
"""

from __future__ import annotations

import inspect
import logging
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import structlog
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from lmshooks.adapters.metrics import COUNTER, GAUGE, HISTOGRAM, METRICS
from lmshooks.core.facts import (
    NAMES,
    AccountHeld,
    Attached,
    Attempted,
    Checkpointed,
    Claimed,
    Consumed,
    Detached,
    Expired,
    Fact,
    GivenUp,
    Lettered,
    Reconfigured,
    Released,
    Stalled,
    StateLost,
    Superseded,
    Suspended,
    Unreadable,
    WindowClosed,
)
from lmshooks.core.positions import Partition
from lmshooks.core.retrying import Verdict
from lmshooks.core.stats import Stats, SubscriptionStats

LOUDNESS: dict[type, str] = {
    Consumed: "debug", Checkpointed: "debug", Lettered: "warning", Suspended: "error", Superseded: "warning",
    Stalled: "warning", StateLost: "error", Unreadable: "error", Expired: "error", GivenUp: "warning",
    AccountHeld: "warning",
}  # fmt: skip
"""How loud a fact is where it is not `info`. An attempt that was not delivered is a warning."""

_MEMBERS: dict[type, tuple[str, ...]] = {kind: tuple(inspect.get_annotations(kind)) for kind in NAMES}
"""The fields of each fact, in their order."""

_IDS_SAID = 20
"""Ids in one line, at most."""


class HotLines(Protocol):
    """Says what is said thousands of times a second; `now` is seconds since the epoch."""

    def say(self, level: str, event: str, fields: Mapping[str, Any], now: float) -> None: ...


class Histogram:
    """How many values fell where."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        """Prometheus' buckets: (upper bound, values up to it)."""
        buckets, passed = [], 0
        for bound, count in zip((*self.bounds, None), self.counts, strict=True):
            passed += count
            buckets.append(("+Inf" if bound is None else str(bound), float(passed)))
        return buckets


class Reporter:
    """Tells logs and metrics what happened. Not for several threads: loop and scrape share one."""

    def __init__(self, version: str, clock: Callable[[], float] = time.time, lines: HotLines | None = None) -> None:
        """`lines` is the short way for the line of an attempt; without it structlog says it as all others."""
        self._clock = clock
        self._lines = lines
        self._log = structlog.get_logger().bind()  # bound once: the lazy proxy costs at every line
        self._watched: tuple[Callable[[float], Stats], Callable[[], bool]] | None = None
        self._counts: dict[str, Counter[tuple[str, ...]]] = {
            name: Counter() for name, meaning in METRICS.items() if meaning.kind == COUNTER
        }
        for name, meaning in METRICS.items():
            if meaning.kind == COUNTER and not meaning.labels:
                self._counts[name][()] = 0
        self._attempts = self._counts["lmshooks_attempts_total"]
        self._busy = self._counts["lmshooks_attempt_busy_seconds_total"]
        self._deliveries = self._counts["lmshooks_deliveries_total"]
        self._delivered = self._counts["lmshooks_events_delivered_total"]
        self._last_delivered: dict[str, float] = {}
        self._histograms: dict[str, dict[tuple[str, ...], Histogram]] = {
            name: {} for name, meaning in METRICS.items() if meaning.kind == HISTOGRAM
        }
        self._gone: set[tuple[str, Partition, str]] = set()
        self._configuration_ok = True
        self._counts["lmshooks_reloads_total"].update({("ok",): 0, ("failed",): 0})
        self._version = version
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def watch(self, stats: Callable[[float], Stats], ready: Callable[[], bool] = lambda: True) -> None:
        """Where the picture comes from, asked with `now` at every scrape, and whether events can come in."""
        self._watched = stats, ready

    def report(self, facts: Sequence[Fact], now: float) -> None:
        """Log and count what became true. `now` is seconds since the epoch."""
        for fact in facts:
            if type(fact) is Attempted:
                self._attempted(fact, now)
            else:
                self._count(fact)
                self._say(fact)

    def reloaded(self, ok: bool) -> None:
        """A reload of the configuration was taken, or refused and the last good one kept."""
        self._counts["lmshooks_reloads_total"]["ok" if ok else "failed",] += 1
        self._configuration_ok = ok

    def late(self, seconds: float) -> None:
        """The event loop came back this much later than it was asked to."""
        self._observe("lmshooks_loop_lag_seconds", (), seconds)

    def exposition(self) -> tuple[bytes, str]:
        """What `/metrics` answers, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def _attempted(self, fact: Attempted, now: float) -> None:
        subscription = (fact.subscription_id,)
        self._attempts[fact.subscription_id, fact.verdict] += 1
        self._busy[subscription] += fact.elapsed  # type: ignore[assignment]  # a Counter of seconds
        self._observe("lmshooks_attempt_seconds", (fact.verdict,), fact.elapsed)
        level, loudness = "warning", logging.WARNING
        if fact.verdict is Verdict.DELIVERED:
            self._deliveries[subscription] += 1
            self._delivered[subscription] += fact.events
            self._last_delivered[fact.subscription_id] = now
            self._observe("lmshooks_event_age_seconds", (fact.kind,), fact.age)
            level, loudness = "info", logging.INFO
        if not self._log.is_enabled_for(loudness):
            return
        if self._lines is not None:
            self._lines.say(level, NAMES[Attempted], _attempt(fact), now)
        else:
            getattr(self._log, level)(NAMES[Attempted], **_attempt(fact))

    def _observe(self, name: str, labels: tuple[str, ...], value: float) -> None:
        histogram = self._histograms[name].get(labels)
        if histogram is None:
            histogram = self._histograms[name][labels] = Histogram(METRICS[name].buckets)
        histogram.observe(value)

    def _count(self, fact: Fact) -> None:
        counts = self._counts
        match fact:
            case Consumed():
                counts["lmshooks_records_consumed_total"][()] += fact.records
                counts["lmshooks_events_consumed_total"][()] += fact.events
                counts["lmshooks_events_matched_total"][()] += fact.matched
            case Checkpointed():
                counts["lmshooks_checkpoints_total"][()] += 1
                counts["lmshooks_checkpoint_records_total"][()] += fact.records
                self._observe("lmshooks_checkpoint_seconds", (), fact.elapsed)
            case Lettered():
                counts["lmshooks_dead_letters_total"][fact.reason,] += 1
            case Detached():
                counts["lmshooks_detachments_total"][fact.why,] += 1
            case Suspended():
                counts["lmshooks_suspensions_total"][fact.reason,] += 1
            case Stalled():
                counts["lmshooks_stalls_total"][fact.what,] += 1
            case Claimed():
                counts["lmshooks_claims_total"][()] += 1
            case Superseded():
                counts["lmshooks_superseded_total"][()] += 1
            case Released():
                counts["lmshooks_releases_total"]["clean" if fact.clean else "unclean",] += 1
            case StateLost():
                counts["lmshooks_state_lost_total"][()] += 1
            case Unreadable():
                counts["lmshooks_state_unreadable_total"][()] += 1
            case WindowClosed():
                counts["lmshooks_window_closes_total"][fact.window,] += 1
            case Expired():
                counts["lmshooks_expired_records_total"][fact.subscription_id or "",] += fact.end - fact.start
            case GivenUp():
                counts["lmshooks_given_up_events_total"][fact.subscription_id, fact.why] += fact.in_hand
            case Reconfigured() if fact.removed:
                self._forget(frozenset(fact.removed))
            case _:
                pass

    def _say(self, fact: Fact) -> None:
        """One line. A lane that is merely full comes and goes many times a minute; that is no news."""
        level = LOUDNESS.get(type(fact), "info")
        if isinstance(fact, Detached | Attached):
            lane = (fact.subscription_id, fact.partition, fact.kind)
            if isinstance(fact, Detached) and fact.why != "full":
                self._gone.add(lane)
            elif lane not in self._gone:
                level = "debug"
            elif isinstance(fact, Attached):
                self._gone.discard(lane)
        getattr(self._log, level)(NAMES[type(fact)], **_fields(fact))

    def _forget(self, removed: frozenset[str]) -> None:
        """A subscription that is no more leaves no series behind."""
        for name, meaning in METRICS.items():
            if meaning.kind == COUNTER and "subscription" in meaning.labels:
                counts = self._counts[name]
                for labels in [each for each in counts if each[0] in removed]:
                    del counts[labels]
        for subscription_id in removed:
            self._last_delivered.pop(subscription_id, None)
        self._gone = {lane for lane in self._gone if lane[0] not in removed}

    def collect(self) -> Iterator[Metric]:
        """Every metric of the table as it stands (prometheus_client's collector interface)."""
        gauges = {name: _gauge(name) for name, meaning in METRICS.items() if meaning.kind == GAUGE}
        gauges["lmshooks_build_info"].add_metric((self._version,), 1)
        gauges["lmshooks_configuration_ok"].add_metric((), self._configuration_ok)
        for subscription_id, at in self._last_delivered.items():
            gauges["lmshooks_last_delivered_timestamp_seconds"].add_metric((subscription_id,), at)
        if self._watched is not None:
            now, (stats, ready) = self._clock(), self._watched
            gauges["lmshooks_ready"].add_metric((), ready())
            _draw(stats(now), now, gauges)
        yield from gauges.values()
        for name, counts in self._counts.items():
            meaning = METRICS[name]
            counter = CounterMetricFamily(name, meaning.help, labels=meaning.labels)
            for labels, count in counts.items():
                counter.add_metric(labels, count)
            yield counter
        for name, histograms in self._histograms.items():
            meaning = METRICS[name]
            family = HistogramMetricFamily(name, meaning.help, labels=meaning.labels)
            for labels, histogram in histograms.items():
                family.add_metric(labels, histogram.cumulative(), histogram.total)
            yield family


def _gauge(name: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, METRICS[name].help, labels=METRICS[name].labels)


def _draw(stats: Stats, now: float, gauges: dict[str, GaugeMetricFamily]) -> None:
    """The picture of the machine as gauges."""

    def put(name: str, labels: tuple[str, ...], value: float) -> None:
        gauges[name].add_metric(labels, value)

    put("lmshooks_configuration_info", (stats.version,), 1)
    put("lmshooks_memory_bytes", (), stats.memory)
    put("lmshooks_posts_in_flight", ("healthy",), stats.posts - stats.failing_posts)
    put("lmshooks_posts_in_flight", ("failing",), stats.failing_posts)
    put("lmshooks_sweeps", (), sum(each.sweeps for each in stats.partitions))
    put("lmshooks_pending_dead_letters", (), sum(each.pending_letters for each in stats.partitions))
    states = Counter(each.state for each in stats.subscriptions)
    states["active"] = stats.configured - states["inactive"] - states["suspended"]
    for state in ("active", "inactive", "suspended", "orphaned"):
        put("lmshooks_subscriptions", (state,), states[state])
    for state in ("attached", "detached", "failing"):
        put("lmshooks_lanes", (state,), sum(getattr(each, state) for each in stats.subscriptions))
    for each in stats.subscriptions:
        _draw_subscription(each, now, put)
    for state, number in Counter(each.state for each in stats.partitions).items():
        put("lmshooks_partitions", (state,), number)
    for partition in stats.partitions:
        labels = (partition.partition.topic, str(partition.partition.number))
        put("lmshooks_lag_records", labels, max(0, partition.log_end - partition.read))
        put("lmshooks_uncommitted_records", labels, max(0, partition.read - partition.committed))
        put("lmshooks_checkpoint_age_seconds", labels, max(0.0, now - partition.last_checkpoint))
    for window in stats.windows:
        put("lmshooks_window_next_close_timestamp_seconds", (window.name,), window.next_close)
        put("lmshooks_window_open_ranges", (window.name,), window.open_ranges)


def _draw_subscription(each: SubscriptionStats, now: float, put: Callable[[str, tuple[str, ...], float], None]) -> None:
    labels = (each.id,)
    oldest, failing = each.oldest_owed_at, each.failing_since
    put("lmshooks_oldest_owed_age_seconds", labels, 0.0 if oldest is None else max(0.0, now - oldest))
    put("lmshooks_failing_seconds", labels, 0.0 if failing is None else max(0.0, now - failing))
    put("lmshooks_held_accounts", labels, len(each.held))
    put("lmshooks_queued_events", labels, each.queued)
    put("lmshooks_behind_records", labels, each.behind)
    if each.suspended_for is not None:
        put("lmshooks_suspended", (each.id, each.suspended_for), 1)


def _attempt(fact: Attempted) -> dict[str, Any]:
    """What `_fields` gives, field by field: of these there may be one an event."""
    partition = fact.partition
    fields: dict[str, Any] = {
        "subscription_id": fact.subscription_id,
        "partition": f"{partition.topic}/{partition.number}",
        "delivery_id": fact.delivery_id,
        "attempt": fact.attempt,
        "verdict": fact.verdict,
        "elapsed": round(fact.elapsed, 4),
        "events": fact.events,
        "size": fact.size,
        "age": round(fact.age, 4),
        "kind": fact.kind,
    }
    if fact.status is not None:
        fields["status"] = fact.status
    if fact.failure is not None:
        fields["failure"] = fact.failure
    if fact.next_attempt is not None:
        fields["next_attempt"] = round(fact.next_attempt, 4)
    if fact.detail:
        fields["detail"] = fact.detail
    if fact.host:
        fields["host"] = fact.host
    return fields


def _fields(fact: Fact) -> dict[str, Any]:
    """A fact's fields as a line says them: no empty ones, partitions as text, long lists cut."""
    fields: dict[str, Any] = {}
    members = _MEMBERS[type(fact)]
    values = fact if isinstance(fact, tuple) else [getattr(fact, name) for name in members]
    for name, value in zip(members, values, strict=True):
        if value is None or value == "":
            continue
        kind = type(value)
        if kind is float:
            fields[name] = round(value, 4)
        elif kind is Partition:
            fields[name] = f"{value.topic}/{value.number}"
        elif kind is tuple and len(value) > _IDS_SAID:
            fields[name] = [*value[:_IDS_SAID], f"and {len(value) - _IDS_SAID} more"]
        else:
            fields[name] = value
    return fields
