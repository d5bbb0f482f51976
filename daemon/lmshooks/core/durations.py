"""How do people say a duration? For status pages and command lines."""

from __future__ import annotations


def spell(seconds: float) -> str:
    """A duration as people say it: 42 s, 7 min, 3 h, 2 d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
