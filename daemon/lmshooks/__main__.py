"""What is run by `lmshooks` and `python -m lmshooks`? The command line."""

from __future__ import annotations

from lmshooks.cli import group


def main() -> None:
    """The entry point."""
    group(prog_name="lmshooks")


if __name__ == "__main__":
    main()
