"""What may reach a terminal? Text that came from outside must not steer it."""

from __future__ import annotations


def plain(text: str) -> str:
    """Every sign that is not printable as `?`: an escape sequence is only text then."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
