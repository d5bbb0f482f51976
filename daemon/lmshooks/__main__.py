"""What is run by `lmshooks` and `python -m lmshooks`? The command line."""

from __future__ import annotations

import sys

from lmshooks import signals


def main() -> None:
    """The entry point."""
    if sys.argv[1:2] == ["run"]:
        signals.heed()
    from lmshooks.cli import group  # after that: its imports take a while

    group(prog_name="lmshooks")


if __name__ == "__main__":
    main()
