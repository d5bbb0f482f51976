"""What is remembered of an event, and of a delivery, to judge what comes later?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Settled:
    """An event of a subscription was settled in a tenure."""

    instance: str
    tenure: int
    at: float


@dataclass
class First:
    """A delivery's first attempt."""

    id: str
    members: frozenset[str]
    instance: str
    tenure: int
    at: float
    refused: bool = False
