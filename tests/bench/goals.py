"""Why is a goal not met, and what is the next idea? Kept by hand; said beside the figure as long as it is not met."""

from __future__ import annotations

WHY = {
    ("throughput", "default settings"): "One core does it all: the rate is what the CPU an event allows.",
    ("latency", "500/s, p99"): """\
Of a few ms, and at the mercy of whatever else the machine does: from 0.8 to 1.5 times in the runs of one day. Ten
times a second the offsets of all partitions are committed, which may keep the loop for a ms or two; then one event in
a hundred waits for it (not measured by itself). Next: commit every 0.25 s where few events come, and look at fewer
lanes for it.""",
    ("kill", "repeated events a kill"): """\
What is settled until the next commit, 50 ms of full rate, and what is in flight.""",
    ("backlog", "sweep rate"): """\
Here every record is some lane's, and is parsed each time a pass comes by. Records of accounts that no rider waits for,
and those before their account's lanes, are passed over unparsed.""",
}
"""By scenario and figure."""
