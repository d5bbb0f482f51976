"""Did the group commit past something owed? Each sample says what was committed, and then where the state topic ended.

An event below the commit must have been taken, or be covered by what the state topic said up to there: a lane's record,
or a window's range that is not done.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from tests.chaos.histories import Sampled
from tests.chaos.log_index import LogIndex, Wants, owed
from tests.chaos.state_history import StateHistory


class Subscriber(Protocol):
    """What is known of a subscription's deliveries."""

    @property
    def name(self) -> str: ...
    @property
    def wants(self) -> Wants: ...
    @property
    def first(self) -> Sequence[float]: ...
    @property
    def refused(self) -> Any: ...


def committed_past(
    log: LogIndex, state: StateHistory, sampled: Sequence[Sampled], subscribers: Iterable[Subscriber]
) -> Iterator[str]:
    """One line for each event that was left uncovered.

    Three samples are looked at for each event that was taken after its commit: the first that shows the commit, the
    last before it was taken, and one between.
    """
    commits: dict[int, tuple[list[int], list[int]]] = {}
    """Partition -> commits that only grow, and the sample of each."""
    for place, sample in enumerate(sampled):
        for text, offset in sample.committed.items():
            offsets, places = commits.setdefault(int(text), ([], []))
            if not offsets or offset > offsets[-1]:
                offsets.append(offset)
                places.append(place)
    times = [sample.at for sample in sampled]
    shown = array("i", b"\xff" * 4 * len(log))
    """By event: the first sample that shows it committed; -1: none does."""
    for number in range(len(log)):
        offsets, places = commits.get(log.partition[number], ([], []))
        after = bisect_right(offsets, log.offset[number])
        if after < len(offsets):
            shown[number] = places[after]
    for sub in subscribers:
        for number in owed(log, sub.wants):
            begin, taken = shown[number], sub.first[number]
            if begin < 0 or (taken and taken <= times[begin]):
                continue
            end = bisect_left(times, taken) - 1 if taken else len(times) - 1
            for place in sorted({begin, (begin + end) // 2, end}):
                if not _covered(log, state, number, sub, sampled[place]):
                    if sub.refused.get(number, 0) >= 3:
                        break  # given up: whether its dead letter was written is asked elsewhere
                    yield (
                        f"event {number} at {log.partition[number]}/{log.offset[number]} for {sub.name}, committed at "
                        f"{times[begin]:.3f}, is not covered at {times[place]:.3f}; taken {taken or 'never'}"
                    )
                    break


def _covered(log: LogIndex, state: StateHistory, number: int, sub: Subscriber, sample: Sampled) -> bool:
    partition, position, end = log.partition[number], log.position(number), sample.state_end
    event = log.event(number)
    windowed = state.windowed(partition, position[0], event.name)
    if state.owed(partition, "w" if windowed else "r", sub.name, str(event.account), position, end):
        return True
    if not windowed:
        return False
    for window in sub.wants.windows(log.at[number], sample.at):
        record = state.value(f"window|{state.topic}|{partition}|{window}", end)
        if record is not None and record["d"] <= position[0]:
            return True
    return False
