"""How do listeners behave? Moods of an endpoint, and one request on its way there and back."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from lmshooks.core.commands import Post
from lmshooks.core.retrying import Failure, Outcome
from tests.laws.logs import Fact


class Mood(StrEnum):
    """What does an endpoint do with what reaches it?"""

    WELL = "well"
    DOWN = "down"
    FLAKY = "flaky"
    LIMITED = "limited"
    SMALL = "small"
    """Refuses more than one event."""
    GONE = "gone"
    PICKY = "picky"
    """Takes nothing of account 1, and everything of others."""


@dataclass(eq=False)
class Request:
    """One POST on the wire."""

    instance: str
    post: Post
    facts: list[Fact]
    kind: str | None
    """Of the lane, where all its events agree on it."""
    tenure: int
    posted_at: float
    arrived: bool = False
    accepted: bool = False
    outcome: Outcome | None = None


def reach(request: Request, mood: Mood, rng: random.Random, now: float) -> None:
    """The request arrives (or is lost on its way): the endpoint accepts it or not, and the answer is known."""
    request.arrived = True
    if mood is Mood.FLAKY and rng.random() < 0.3:
        request.outcome = outcome(None, Failure.TIMEOUT)
        request.accepted = rng.random() < 0.5 and not any(fact.poison for fact in request.facts)
        return
    status = answer(request, mood, rng)
    request.accepted = status == 200
    request.outcome = outcome(status, None, rng.choice((1.0, 5.0)) if status in (429, 503) else None)


def answer(request: Request, mood: Mood, rng: random.Random) -> int:
    """The status that it answers with."""
    if mood is Mood.GONE:
        return 410
    if mood is Mood.DOWN or (mood is Mood.PICKY and request.facts[0].account == "1"):
        return rng.choice((500, 502, 404))
    if mood is Mood.LIMITED and rng.random() < 0.6:
        return rng.choice((429, 503))
    if mood is Mood.FLAKY and rng.random() < 0.4:
        return 500
    if any(fact.poison for fact in request.facts):
        return rng.choice((422, 400))
    if mood is Mood.SMALL and len(request.facts) > 1:
        return 413
    return 200


def outcome(status: int | None, failure: Failure | None, retry_after: float | None = None) -> Outcome:
    """As the shell reports it."""
    if failure is None and status != 200:
        failure = Failure.STATUS
    return Outcome(status, failure, retry_after, 0.01, "")
