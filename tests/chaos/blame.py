"""What was being done when? The faults of a run, asked by time and by whom they hit.

A change of hands is put down to what was done to the owner before it; where nothing was, to what was done to the
brokers; where that was nothing either, to what came and went beside it, for which it gave the partition up in order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from tests.chaos.histories import Faulted
from tests.chaos.state_history import Claim
from tests.chaos.verdicts import Way

BEFORE = 15.0
"""Seconds after a fault's end in which a partition that was lost by it may still change hands: a session, a claim."""
OWNERS = {"kill": Way.KILLED, "kill for long": Way.KILLED, "sleep": Way.ASLEEP, "stop": Way.STOPPED}
BROKERS = ("Kafka's network cut for all", "broker", "controller", "all brokers")
NOTHING = "nothing was done to either then"
HANDING = (*OWNERS, "rolling restart", "partition added")


class Blame:
    """`claimed_by`: what a claim calls its owner -> the instance and its life."""

    def __init__(self, faulted: Sequence[Faulted], claimed_by: Mapping[str, str]) -> None:
        self.claimed_by = claimed_by
        self._all = sorted(faulted)
        self._longest = max((fault.ended - fault.began for fault in self._all), default=0.0)
        self._begins = [fault.began for fault in self._all]
        self._hits: dict[str, tuple[list[float], list[Faulted]]] = defaultdict(lambda: ([], []))
        for fault in self._all:
            begins, faults = self._hits[fault.target]
            begins.append(fault.began)
            faults.append(fault)

    def counts(self) -> Counter[str]:
        """How often there was what kind."""
        return Counter(fault.kind for fault in self._all)

    def faulty(self, begin: float, end: float, *targets: str) -> bool:
        """Whether anything was done to one of the targets, listeners or senders, in a time."""
        return any(self._on(target.partition(".")[0], begin, end) for target in targets)

    def unheard(self, begin: float, end: float, listener: str, sender: str) -> bool:
        """Whether an answer may not have come through: something was done to the listener, or the sender slept."""
        asleep = (fault.kind == "sleep" for fault in self._on(sender.partition(".")[0], begin, end))
        return bool(self._on(listener, begin, end)) or any(asleep)

    def disturbed(self, begin: float, end: float, listener: str, sender: str) -> str:
        """What was last done in a time to the listener of an answer, or else to its sender."""
        found = self._on(listener, begin, end) or self._on(sender.partition(".")[0], begin, end)
        return found[-1].kind if found else NOTHING

    def woke(self, sender: str, begin: float, end: float) -> bool:
        """Whether an instance was let go on in a time."""
        faults = self._on(sender.partition(".")[0], begin, end)
        return any(fault.kind == "sleep" and fault.ended <= end for fault in faults)

    def stepped(self, sender: str, at: float) -> bool:
        """Whether an instance's clock was wrong then: a listener is right to refuse what it stamps."""
        return any(fault.kind.startswith("clock") for fault in self._on(sender.partition(".")[0], at - 1.0, at))

    def way(self, before: Claim, claim: Claim) -> Way:
        """How who had claimed a partition `before` lost it to a claim."""
        begin, end = claim.at - BEFORE, claim.at
        owner = self.claimed_by.get(before.by, "").partition(".")[0]
        own = [fault for fault in self._on(owner, begin, end) if fault.began >= before.at - BEFORE]
        around = self._during(begin, end)
        away = [fault for fault in around if fault.kind.startswith(BROKERS)]
        cut = [fault for fault in own if fault.kind.startswith("Kafka")]
        ended = [OWNERS[fault.kind] for fault in own if fault.kind in OWNERS]
        if any(fault.kind == "rolling restart" for fault in around) and before.by != claim.by:
            ended.insert(0, Way.STOPPED)
        if ended:
            return Way.STOPPED_ALONE if ended[-1] is Way.STOPPED and (away or cut) else ended[-1]
        if cut:
            return Way.ALONE
        if away:
            return Way.BROKERS
        return Way.HANDED if any(fault.kind in HANDING for fault in around) else Way.NOTHING

    def _on(self, target: str, begin: float, end: float) -> list[Faulted]:
        """What was done to one in a time, in the order of its beginning."""
        begins, faults = self._hits.get(target, ((), ()))
        return self._within(begins, faults, begin, end)

    def _during(self, begin: float, end: float) -> list[Faulted]:
        return self._within(self._begins, self._all, begin, end)

    def _within(self, begins: Sequence[float], faults: Sequence[Faulted], begin: float, end: float) -> list[Faulted]:
        found = faults[max(0, bisect_right(begins, begin - self._longest) - 1) : bisect_right(begins, end)]
        return [fault for fault in found if fault.ended >= begin]
