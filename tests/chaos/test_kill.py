"""What does a kill -9 cost? Under load, again and again: nothing lost, nothing out of order, and little comes twice.

The short form; `make kills` is the long one.
"""

from __future__ import annotations

from pathlib import Path

from tests.chaos.kills import kill_often, told
from tests.chaos.verdicts import Cause
from tests.chaos.world import Setting

KILLS = 3
ALLOWED_TWICE = 2000
"""Events that a kill may repeat: what three checkpoints of 500 settle, and what is settled while they are written."""


async def test_a_killed_daemon_breaks_no_law_and_repeats_little(kafka: str, tmp_path: Path) -> None:
    judgement, took = await kill_often(tmp_path, kafka, Setting(seed=7, rate=800), KILLS)
    print(told(judgement, KILLS))
    assert not judgement.wrong, judgement.lines()
    assert took is not None, "it was not done with everything when it should have been"
    assert judgement.repeated[Cause.TAKEN_OVER] <= ALLOWED_TWICE * KILLS
