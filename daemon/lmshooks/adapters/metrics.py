"""What can be asked at `/metrics`? Every metric: its kind, its labels and what it says.

Labels are closed sets and ids: never a URL, an account or a learner.
"""

from __future__ import annotations

from typing import NamedTuple

QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0)
AGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0, 900.0, 3600.0, 86400.0, 604800.0)


class Meaning(NamedTuple):
    """One metric: what kind of number it is, what it is told apart by, and what it says."""

    kind: str
    """counter, gauge, histogram"""
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()


COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"
_SUBSCRIPTION, _PARTITION = ("subscription",), ("topic", "partition")

METRICS: dict[str, Meaning] = {
    # what came in
    "lmshooks_records_consumed_total": Meaning(COUNTER, (), "Kafka records that live feeds have read."),
    "lmshooks_events_consumed_total": Meaning(COUNTER, (), "Events in those records."),
    "lmshooks_events_matched_total": Meaning(COUNTER, (), "Times an event was wanted by a subscription."),
    "lmshooks_lag_records": Meaning(GAUGE, _PARTITION, "Records between the live feed and the log's end."),
    "lmshooks_uncommitted_records": Meaning(GAUGE, _PARTITION, "Records between the commit and the live feed."),
    "lmshooks_partitions": Meaning(GAUGE, ("state",), "Partitions of this instance."),
    "lmshooks_sweeps": Meaning(GAUGE, (), "Sweeps under way."),
    # what went out
    "lmshooks_attempts_total": Meaning(COUNTER, ("subscription", "verdict"), "POSTs, by how they were judged."),
    "lmshooks_attempt_busy_seconds_total": Meaning(COUNTER, _SUBSCRIPTION, "Seconds that POSTs took, summed."),
    "lmshooks_attempt_seconds": Meaning(HISTOGRAM, ("verdict",), "Seconds a POST took.", QUICK),
    "lmshooks_deliveries_total": Meaning(COUNTER, _SUBSCRIPTION, "Deliveries that were acknowledged."),
    "lmshooks_events_delivered_total": Meaning(COUNTER, _SUBSCRIPTION, "Events in those deliveries."),
    "lmshooks_event_age_seconds": Meaning(
        HISTOGRAM, ("cadence",), "From the writing of a delivery's oldest event to its acknowledgement.", AGES
    ),
    "lmshooks_last_delivered_timestamp_seconds": Meaning(GAUGE, _SUBSCRIPTION, "When a delivery last went through."),
    "lmshooks_posts_in_flight": Meaning(GAUGE, ("state",), "Requests out, of healthy and of failing lanes."),
    # what is owed
    "lmshooks_subscriptions": Meaning(GAUGE, ("state",), "Subscriptions, by state."),
    "lmshooks_lanes": Meaning(GAUGE, ("state",), "Lanes that are not idle: attached, detached, failing."),
    "lmshooks_oldest_owed_age_seconds": Meaning(GAUGE, _SUBSCRIPTION, "Age of the oldest event known to be owed."),
    "lmshooks_queued_events": Meaning(GAUGE, _SUBSCRIPTION, "Events in memory that are not acknowledged."),
    "lmshooks_behind_records": Meaning(GAUGE, _SUBSCRIPTION, "Records between its lanes and their feeds."),
    "lmshooks_failing_seconds": Meaning(GAUGE, _SUBSCRIPTION, "For how long every attempt has failed."),
    "lmshooks_held_accounts": Meaning(GAUGE, _SUBSCRIPTION, "Accounts whose deliveries fail while others' go."),
    "lmshooks_suspended": Meaning(GAUGE, ("subscription", "reason"), "1 while the daemon has stopped it."),
    "lmshooks_suspensions_total": Meaning(COUNTER, ("reason",), "Subscriptions that the daemon stopped."),
    "lmshooks_detachments_total": Meaning(COUNTER, ("reason",), "Lanes that left their feed, by why."),
    # what was given up
    "lmshooks_dead_letters_total": Meaning(COUNTER, ("reason",), "Events written to the dead-letter topic."),
    "lmshooks_pending_dead_letters": Meaning(GAUGE, (), "Dead letters that are not written yet."),
    "lmshooks_expired_records_total": Meaning(
        COUNTER, _SUBSCRIPTION, "Records the log no longer held when they were to be read (empty: by the live feed)."
    ),
    "lmshooks_given_up_events_total": Meaning(
        COUNTER, ("subscription", "reason"), "Events in memory given up by an operator's act."
    ),
    # windows
    "lmshooks_window_next_close_timestamp_seconds": Meaning(GAUGE, ("window",), "When the window closes next."),
    "lmshooks_window_open_ranges": Meaning(GAUGE, ("window",), "Partitions whose closed range is not sent yet."),
    "lmshooks_window_closes_total": Meaning(COUNTER, ("window",), "Ranges closed, one a partition."),
    # what is durable
    "lmshooks_checkpoints_total": Meaning(COUNTER, (), "Checkpoints completed."),
    "lmshooks_checkpoint_seconds": Meaning(HISTOGRAM, (), "Seconds a checkpoint took.", QUICK),
    "lmshooks_checkpoint_records_total": Meaning(COUNTER, (), "State records that checkpoints wrote."),
    "lmshooks_checkpoint_age_seconds": Meaning(GAUGE, _PARTITION, "Seconds since the last checkpoint."),
    "lmshooks_stalls_total": Meaning(COUNTER, ("reason",), "Writes and commits that failed or were not confirmed."),
    "lmshooks_claims_total": Meaning(COUNTER, (), "Partitions taken over."),
    "lmshooks_superseded_total": Meaning(COUNTER, (), "Times another owner's claim was seen."),
    "lmshooks_releases_total": Meaning(COUNTER, ("state",), "Partitions given back: clean, unclean."),
    "lmshooks_state_lost_total": Meaning(COUNTER, (), "Partitions held: the state topic lost what was committed."),
    "lmshooks_state_unreadable_total": Meaning(COUNTER, (), "State records that cannot be read: partitions held."),
    # the process
    "lmshooks_ready": Meaning(GAUGE, (), "1 while events can come in: what /readyz says."),
    "lmshooks_memory_bytes": Meaning(GAUGE, (), "Bytes of events held."),
    "lmshooks_loop_lag_seconds": Meaning(HISTOGRAM, (), "By how much the event loop was late.", QUICK),
    "lmshooks_reloads_total": Meaning(COUNTER, ("state",), "Reloads of the configuration: ok, failed."),
    "lmshooks_configuration_ok": Meaning(GAUGE, (), "0 while the files on disk are not what is in effect."),
    "lmshooks_configuration_info": Meaning(GAUGE, ("hash",), "The digest of the configuration in effect."),
    "lmshooks_build_info": Meaning(GAUGE, ("version",), "The version that runs."),
}  # fmt: skip
"""Every metric. Renaming one is a breaking change; README's table is held against this one by a test."""
