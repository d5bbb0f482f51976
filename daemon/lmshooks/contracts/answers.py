"""What does a listener's answer mean? The verdicts of `core/retrying.py`, asked of it status by status."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lmshooks.core.retrying import REFUSALS, RETRY_AFTER_CEILING, Failure, Outcome, Verdict, judge
from lmshooks.core.subscriptions import RetryPolicy


class Answer(NamedTuple):
    """A kind of answer, with its statuses and what follows."""

    name: str
    statuses: tuple[int, ...]
    means: str


_POLICY = RetryPolicy()
_AGAIN = (
    f"after {_POLICY.initial:g} s, twice as long each time, at most {_POLICY.ceiling / 60:g} min apart; after "
    f"{_POLICY.horizon / 86400:g} days of nothing but failure the subscription is suspended"
)
_MEANS = {
    "delivered": "The delivery is done. The body of the answer is not looked at.",
    "gone": "The subscription is suspended until an operator resumes it; what it is owed is kept.",
    "refused": (
        "The content is refused. Of several events the delivery is halved until the bad one stands alone; one event "
        f"refused {REFUSALS} times is given up and becomes a dead letter (rejected), and the next ones go on."
    ),
    "busy": (
        f"The same delivery is sent again, not before Retry-After (seconds or a date, at most "
        f"{RETRY_AFTER_CEILING / 3600:g} h is heeded), and everything else for the subscription waits too. "
        f"Without Retry-After: {_AGAIN}. Every other failure that comes with Retry-After is taken so too, but for a "
        "refusal of several events."
    ),
    "redirected": f"A redirect is never followed: it is a failure, and the same delivery is sent again {_AGAIN}.",
    "failed": f"The same delivery is sent again {_AGAIN}.",
}


def kind_of(status: int) -> str:
    """Which kind of answer a status without Retry-After is: a name of `ANSWERS`."""
    failure = None if 200 <= status < 300 else Failure.REDIRECT if 300 <= status < 400 else Failure.STATUS
    outcome = Outcome(status, failure, None, 0.0, "")
    verdict = judge(outcome, events=2, refusals=0)
    if verdict is Verdict.SPLIT:
        return "refused"
    if verdict is Verdict.RETRY and failure is Failure.REDIRECT:
        return "redirected"
    return {Verdict.DELIVERED: "delivered", Verdict.GONE: "gone", Verdict.WAIT: "busy"}.get(verdict, "failed")


def _answers(statuses: Iterable[int]) -> tuple[Answer, ...]:
    found: dict[str, list[int]] = {name: [] for name in _MEANS}
    for status in statuses:
        found[kind_of(status)].append(status)
    return tuple(Answer(name, tuple(found[name]), means) for name, means in _MEANS.items())


ANSWERS = _answers(range(200, 600))
"""Every status that ends a request."""
