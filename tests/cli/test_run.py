"""What does the daemon load? Nothing that it has no use for: its memory is counted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_daemon_does_not_load_what_draws_tables_and_tracebacks(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom lmshooks.cli import group\n"
        "try: group(sys.argv[1:], prog_name='lmshooks')\nexcept SystemExit as end: print(end.code)\n"
        "assert {'lmshooks.app', 'structlog'} <= sys.modules.keys()\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'rich', 'pygments'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "--config", str(tmp_path)],
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["2", "[]"], done.stderr
