"""Why is a goal not met, and what is the next idea? Kept by hand; said beside the figure as long as it is not met."""

from __future__ import annotations

CPU = """\
Of some 10 us an event, aiokafka's reading is 2.4 (a bare consume loop), parsing and checking a 600-byte event 3,
finding its lane and queueing it 1, forming, naming, signing and posting a delivery of 66 events 2, checkpoints 1. Next:
a parser that tells name, id and validity without making every object; fewer lane records while lanes only lag by what
is in flight."""

WHY = {
    ("throughput", "default settings"): "One core does it all: the rate is what the CPU an event allows.",
    ("throughput", "default settings, CPU"): CPU,
    ("fan-out", "five subscriptions an account, CPU"): CPU,
    ("kill", "repeated events a kill"): """\
500 settled events begin a checkpoint, at most every 50 ms, and three of them may come again. At 19,000 events/s, one a
POST, 50 ms are 950 events, not 500: the goal was set for a third of that rate.""",
    ("backlog", "sweep rate"): """\
Here every record is some lane's, and is parsed each time a pass comes by. Records of accounts that no rider waits for,
and those before their account's lanes, are passed over unparsed.""",
}
"""By scenario and figure."""
