"""Why is a goal not met, and what is the next idea? Kept by hand; said beside the figure as long as it is not met."""

from __future__ import annotations

WHY = {
    ("throughput", "default settings"): "One core does it all: the rate is what the CPU an event allows.",
    ("throughput", "default settings, CPU"): """\
It follows the machine: 7.8 to 8.0 us in its quiet rounds and up to 10.9 in others of the same hour, where the naive
loop and the bare consume loop were dearer, too; 6.97 when the bare loop took 2.4 us instead of 2.7. An earlier tree
beside this one took 8.1 to 8.9. Next: more rounds on a quiet machine; fewer objects a delivery.""",
    ("throughput", "default settings, resident at most"): """\
Little room: 76 to 83 MiB from run to run. Next: fetch less at once where lanes are full.""",
    ("latency", "500/s, p99"): """\
Of a few ms, and at the mercy of whatever else the machine does: from 0.8 to 1.5 times in runs of two rounds, 0.92 over
four. It is not the commits (every 0.1, 0.25 or 2 s: the same), nor anything that keeps the loop: its longest turn was
2.5 ms, and 0.06 of a core was busy. Next: more and longer rounds, on a machine with a core for each process.""",
    ("kill", "repeated events a kill"): """\
What is settled until the next commit, 20 ms of full rate, and what is in flight.""",
    ("backlog", "sweep rate"): """\
Here every record is some lane's, and is parsed each time a pass comes by. Records of accounts that no rider waits for,
and those before their account's lanes, are passed over unparsed.""",
}
"""By scenario and figure."""
