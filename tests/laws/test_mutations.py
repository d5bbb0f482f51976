"""Would random plays see it? Rules of the design are switched off, one at a time, and some play must break a law.

What random plays see too seldom has a scripted play: test_sequences. One half of R8 has neither, that the partition
record is the first in its write: a checkpoint is one record batch, which Kafka appends whole or not at all, and nothing
acts on a write that was not read back. Even where the simulated log keeps only the beginning of a write that failed,
and the partition record is the last in it, 200 runs break no law.
"""

from __future__ import annotations

import pytest

from tests.laws import mutations as off
from tests.laws.plays import PROFILES, play
from tests.laws.violation import Violation

SEEDS = 60
OPERATIONS = 200

RULES: dict[str, tuple[off.Switch, tuple[str, ...]]] = {
    "R1 what lies below the target has a record": (off.no_record_below_the_target, ("base", "two")),
    "R1 the target is no minimum": (off.target_is_the_smallest_head, ("base", "two")),
    "R2 a record is dropped late": (off.drop_once_attached, ("base", "two")),
    "R2 a record is dropped": (off.never_drop, ("base", "two")),
    "R3 durable is read back": (off.commit_before_it_is_read_back, ("base", "two")),
    "R4 unknown is dirty": (off.believe_a_write_that_failed, ("base", "zombies", "all")),
    "R5 values of an earlier tenure are void": (off.accept_every_value, ("zombies", "all")),
    "R5 a tenure is a place in the log": (off.tenures_by_counting, ("zombies", "all")),
    "R6 another claim ends a tenure": (off.ignore_other_claims, ("zombies", "all")),
    "R6 who still owns it claims again": (off.obey_and_never_claim_again, ("zombies", "all")),
    "R7 owed positions are recorded": (off.record_the_head_and_the_horizon_alone, ("base", "two")),
    "R7 what is settled beyond the head is recorded": (off.record_the_head_alone, ("base", "two")),
    "R7 positions have an index": (off.record_offsets_without_their_indexes, ("base", "two")),
    "R7 attempted deliveries are recorded": (off.forget_what_was_attempted, ("base", "two")),
    "R7 what is owed is taken below the horizon": (off.route_without_the_horizon, ("base", "two")),
    "R7 what held accounts are owed is recorded": (off.record_no_held_accounts, ("picky", "picked")),
    "R7 an account is held to the horizon": (off.free_an_account_before_the_horizon, ("picky", "picked")),
    "law 2 a sweep passes held accounts by": (off.take_what_is_held, ("picky", "picked")),
    "R9 a window has a record from the first sight": (off.no_window_record_before_its_first_close, ("base", "windows")),
    "R9 a window's end is awaited": (off.send_before_the_end_is_durable, ("base", "windows")),
    "R10 a lane takes its position along": (off.begin_where_the_new_window_stands, ("windows",)),
    "R11 cadences change by epochs": (off.cadences_without_epochs, ("cadence",)),
    "R11 another configuration is a reload": (off.no_reload_at_take_over, ("subscriptions", "windows", "all")),
    "law 3 one of a key": (off.two_of_a_key, ("base",)),
    "law 3 one of a key, though its order changed": (off.forget_the_order_before, ("order",)),
    "law 8 a full lane takes no more": (off.take_in_without_end, ("base", "two")),
    "law 8 a full memory takes no more": (off.never_short_of_memory, ("memory",)),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_is_off_is_seen(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    switch, names = RULES[rule]
    switch(monkeypatch)
    profiles = [profile for profile in PROFILES if profile.name in names]
    for seed in range(SEEDS):
        for profile in profiles:
            try:
                play(profile.name, seed, OPERATIONS)
            except Violation:
                return
    pytest.fail(f"{SEEDS} seeds of {names} do not see that it is off: {rule}")
