"""Run many seeds, or one with its play: `python -m tests.laws.soak --help`

python -m tests.laws.soak --seeds 0:2000 --operations 300 --profile zombies all
python -m tests.laws.soak --profile zombies --seeds 17 --trace
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from multiprocessing import Pool

from tests.laws.plays import PROFILES, Play
from tests.laws.violation import Violation


def attempt(job: tuple[int, int, int]) -> tuple[str, int, str | None]:
    """One run: its profile, seed and what was wrong."""
    place, seed, operations = job
    profile = PROFILES[place]
    try:
        Play(profile, seed).run(operations)
    except Violation as violation:
        return profile.name, seed, str(violation)
    return profile.name, seed, None


def shrink(place: int, seed: int, operations: int) -> int:
    """The shortest play of the seed that still fails, by bisection of its length."""
    low, high = 0, operations
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if attempt((place, seed, middle))[2] else (middle, high)
    return high


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", nargs="*", default=[profile.name for profile in PROFILES])
    parser.add_argument("--seeds", default="0:100", help="one seed, or first:past the last")
    parser.add_argument("--operations", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--trace", action="store_true")
    chosen = parser.parse_args()
    first, _, last = chosen.seeds.partition(":")
    seeds = range(int(first), int(last) if last else int(first) + 1)
    places = [place for place, profile in enumerate(PROFILES) if profile.name in chosen.profile]
    if chosen.trace:
        play = Play(PROFILES[places[0]], seeds[0], tracing=True)
        try:
            play.run(chosen.operations)
        except Violation as violation:
            play.world.log.append(str(violation))
        print("\n".join(play.world.log))
        return 0
    jobs = [(place, seed, chosen.operations) for seed in seeds for place in places]
    begun = time.perf_counter()
    failed: Counter[str] = Counter()
    with Pool(chosen.processes) as pool:
        for name, seed, wrong in pool.imap_unordered(attempt, jobs, chunksize=4):
            if wrong is not None:
                failed[f"{name} {wrong.partition(':')[0]}"] += 1
                if failed.total() <= 20:
                    place = next(one for one, profile in enumerate(PROFILES) if profile.name == name)
                    short = f" ({shrink(place, seed, chosen.operations)} operations)" if chosen.shrink else ""
                    print(f"{name} {seed}{short}: {wrong[:1500]}", flush=True)
    print(f"{len(jobs)} runs in {time.perf_counter() - begun:.1f} s, {failed.total()} failed: {dict(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
