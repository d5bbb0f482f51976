"""Write the contracts: `python -m lmshooks.contracts [FOLDER]`, by default docs/contracts of the checkout."""

from __future__ import annotations

import sys
from pathlib import Path

from lmshooks.contracts.documents import write


def main() -> None:
    """Say how many files changed."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/contracts")
    sys.stdout.write(f"{folder}: {write(folder)} files changed\n")


if __name__ == "__main__":
    main()
