"""How do people say how much? One event, two events; 365 bytes, 12 KiB."""

from __future__ import annotations


def many(count: int, what: str) -> str:
    """`1 event`, `2 events`."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def size(count: int) -> str:
    """Bytes, in the unit that fits."""
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if count >= 1024**power:
            return f"{count / 1024**power:.1f} {unit}"
    return many(count, "byte")
