"""Which law was broken, and by what?"""

from __future__ import annotations


class Violation(AssertionError):
    """A law was broken."""

    def __init__(self, law: str, text: str) -> None:
        super().__init__(f"law {law}: {text}")
        self.law = law
