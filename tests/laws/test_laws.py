"""Do the laws hold over random plays of the whole machine? LMSHOOKS_LAW_RUNS sets how many runs a profile gets."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.laws.plays import PROFILES, Play, Profile

RUNS = int(os.environ.get("LMSHOOKS_LAW_RUNS", "8"))
FIRST = int(os.environ.get("LMSHOOKS_LAW_SEED", "0"))
OPERATIONS = 200


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_no_law_is_broken_by_random_operations_crashes_and_rebalances(profile: Profile) -> None:
    said: Counter[str] = Counter()
    accepted = again = 0
    for seed in range(FIRST, FIRST + RUNS):
        try:
            world = Play(profile, seed).run(OPERATIONS)
        except AssertionError as broken:
            raise AssertionError(f"profile {profile.name}, seed {seed}: {broken}") from broken
        said.update(world.checker.counts)
        accepted += len(world.checker.accepted)
        again += sum(count - 1 for count in world.checker.accepted.values())
    assert accepted > 20 * RUNS, "the plays deliver next to nothing: they prove nothing"
    for fact in ("Claimed", "Checkpointed", "Attempted", "Detached", "Attached", "WindowClosed"):
        assert said[fact] > RUNS, f"{fact} hardly ever happens: the plays prove nothing ({said})"
    if profile.name.startswith("pick"):
        assert min(said["AccountHeld"], said["AccountCaughtUp"]) > RUNS // 2
    if profile.zombies:
        assert said["Superseded"] > 0
    if profile.retention:
        assert said["Expired"] > RUNS
    if profile.moves:
        assert said["Skipped"] > 0
    if profile.poison:
        assert said["Lettered"] > 0


def test_a_play_is_the_same_whenever_its_seed_is() -> None:
    one, two = (Play(PROFILES[-1], 7, tracing=True) for _ in range(2))
    one.run(OPERATIONS)
    two.run(OPERATIONS)
    assert [line for line in one.world.log if " fact " in line] == [line for line in two.world.log if " fact " in line]
