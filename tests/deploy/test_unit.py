"""Is the systemd unit good? By systemd's own judgement, and against what the daemon does."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lmshooks.adapters.systemd import BEAT
from lmshooks.app import STUCK
from lmshooks.core.configuration import Limits
from tests.deploy.tools import ROOT, without

UNIT = ROOT / "deploy" / "systemd" / "lmshooks.service"
SETTINGS = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is there."""
    here = tmp_path / UNIT.name
    here.write_text(
        UNIT.read_text().replace("/opt/lmshooks/bin/lmshooks", str(Path(sys.executable).with_name("lmshooks")))
    )
    return here


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    found = shutil.which("systemd-analyze")
    if found is None:
        without("there is no systemd-analyze: install systemd")
    return subprocess.run([found, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_systemd_understands_it(unit: Path) -> None:
    done = analyze("verify", "--man=no", str(unit))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_would_see_a_mistake(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("WatchdogSec", "WatchdogSecs"))
    assert "WatchdogSecs" in analyze("verify", "--man=no", str(unit)).stderr


def test_it_is_exposed_as_little_as_systemd_can_make_it(unit: Path) -> None:
    """1.3 of 10: what is left are sockets, for that is its work, and /proc/stat, for its start time."""
    done = analyze("security", "--offline=true", "--threshold=15", "--no-pager", str(unit))
    assert done.returncode == 0, done.stdout


def test_its_times_are_longer_than_the_daemons() -> None:
    assert SETTINGS["Type"] == "notify"
    # A loop that hangs is first known to, then misses its beats.
    assert int(SETTINGS["WatchdogSec"]) >= 2 * BEAT + STUCK
    assert int(SETTINGS["TimeoutStopSec"]) >= 20 + 30, "drain_timeout, the last checkpoint, out of Kafka"
    assert int(SETTINGS["TimeoutStopSec"]) > Limits().write_timeout
    assert SETTINGS["RestartPreventExitStatus"] == "2", "wrong files are not mended by trying again"
