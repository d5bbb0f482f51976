"""Is a clock that was set off by what it says, at once, and right again when it is set back?"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.chaos.clocks import write_shift
from tests.kafka.jars import ROOT

READ = """
import sys, time
from pathlib import Path
from tests.chaos.clocks import shift_by, write_shift
file = Path(sys.argv[1])
shift_by(file)
print(time.time())
write_shift(file, 0.0)
print(time.time())
"""


@pytest.mark.parametrize("seconds", [3600.0, -400.0])
def test_a_clock_is_off_by_what_its_file_says(tmp_path: Path, seconds: float) -> None:
    file = tmp_path / "clock"
    write_shift(file, seconds)
    began = time.time()
    said = subprocess.check_output([sys.executable, "-c", READ, str(file)], cwd=ROOT, text=True)
    off, right = map(float, said.split())
    assert began + seconds <= off <= time.time() + seconds
    assert began <= right <= time.time()
