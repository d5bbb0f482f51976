"""The shortest sequences that break a law without a rule of the design: with the rule they do not.

Each play runs as it is, to its quiet end, and with its rule switched off, where exactly the law named must be found
broken. A loss is seen twice: by law 4 at the commit that passes what is owed, and, where nobody looks at commits, by
law 1 at the end.
"""

from __future__ import annotations

import pytest

from tests.laws import plays_of_changes, plays_of_commits, plays_of_records
from tests.laws.checker import Checker
from tests.laws.holes import HOLES, Hole
from tests.laws.violation import Violation

assert all((plays_of_changes, plays_of_commits, plays_of_records))  # importing them enters their plays


def named(one: Hole) -> str:
    return f"{one.number} {one.play.__name__}"


@pytest.mark.parametrize("one", HOLES, ids=named)
def test_with_the_rule_every_law_holds(one: Hole) -> None:
    one.play()


CASES = [pytest.param(one, law, id=f"{law} {named(one)}") for one in HOLES for law in one.laws.split()]


@pytest.mark.parametrize(("one", "law"), CASES)
def test_without_the_rule_the_law_is_broken(one: Hole, law: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one.switch(monkeypatch)
    if law != "4":
        monkeypatch.setattr(Checker, "committed", lambda *_: None)
    with pytest.raises(Violation) as broken:
        one.play()
    assert broken.value.law == law, str(broken.value)


def test_every_rule_has_a_play() -> None:
    assert {one.rule for one in HOLES} == {f"R{number}" for number in range(1, 12)}


def test_every_law_has_a_bug_that_breaks_it() -> None:
    seen = {law for one in HOLES for law in one.laws.split()}
    elsewhere = {"7", "8"}  # test_isolation, test_mutations
    assert seen | elsewhere == {str(number) for number in range(1, 13)}
