"""What a change of configuration is said to do, and what an outline keeps to itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from lmshooks.core.catalogue import Cadence
from lmshooks.core.comparing import Changed, Outline, Turned, compare, outline, outline_of, planned
from lmshooks.core.configuration import Configuration
from lmshooks.core.filters import compile_filter
from lmshooks.core.subscriptions import BasicAuth, Endpoint, Resume, SignatureAuth, Subscription
from lmshooks.core.windows import parse_schedule

CRM = Subscription(
    "crm", "1010", ("COURSE_*",), Endpoint("https://crm.example/hooks/t0ken", SignatureAuth((b"k" * 32,)))
)
LRS = replace(CRM, id="lrs", filter=compile_filter({"data.hasPassed": True}))


def configuration(*subscriptions: Subscription, **more: Any) -> Configuration:
    windows = {"default": parse_schedule(every=900), "nightly": parse_schedule(at="02:00", timezone="Europe/Berlin")}
    return Configuration({one.id: one for one in subscriptions}, **{"windows": windows, **more})


def test_equal_configurations_have_an_empty_plan() -> None:
    assert planned(configuration(CRM, LRS), configuration(CRM, LRS)).empty


def test_what_comes_and_goes_is_named() -> None:
    plan = planned(configuration(CRM), configuration(LRS))
    assert (plan.added, plan.removed, plan.changed) == (("lrs",), ("crm",), ())


def test_a_change_names_its_fields() -> None:
    other = replace(CRM, events=("*",), max_events=1)
    assert planned(configuration(CRM), configuration(other)).changed == (Changed("crm", ("events", "max_events")),)


def test_a_change_of_the_endpoint_alone_is_told_apart() -> None:
    moved = replace(CRM, endpoint=replace(CRM.endpoint, url="https://crm.example/other", total_timeout=3.0))
    (changed,) = planned(configuration(CRM), configuration(moved)).changed
    assert changed.fields == ("url", "total_timeout") and changed.endpoint_only
    (both,) = planned(configuration(CRM), configuration(replace(moved, order=LRS.order, events=("*",)))).changed
    assert not both.endpoint_only


def test_switching_off_holds_and_with_resume_now_gives_up() -> None:
    off = replace(CRM, active=False)
    held = planned(configuration(CRM), configuration(off))
    assert (held.retired, held.given_up, held.activated) == (("crm",), (), ())
    given = planned(configuration(CRM), configuration(replace(off, resume=Resume.NOW)))
    assert (given.retired, given.given_up) == (("crm",), ("crm",))
    back = planned(configuration(off), configuration(CRM))
    assert (back.activated, back.retired) == (("crm",), ())


def test_moves_windows_and_cadences_say_from_where_to_where() -> None:
    windows = {"default": parse_schedule(every=60), "nightly": parse_schedule(cron="0 2 * * *")}
    plan = planned(
        configuration(CRM),
        configuration(replace(CRM, window="nightly"), windows=windows, cadences={"X": Cadence.WINDOWED}),
    )
    assert plan.moved == (Turned("crm", "default", "nightly"),)
    assert plan.windows == (
        Turned("default", "every 900 s (UTC)", "every 60 s (UTC)"),
        Turned("nightly", "at 02:00:00 (Europe/Berlin)", "cron 0 2 * * * (UTC)"),
    )
    assert [str(each) for each in plan.cadences] == ["X: none -> windowed"]


def test_a_difference_that_an_outline_hides_is_still_a_change() -> None:
    one = outline_of(configuration(CRM))
    assert compare(one, one, {"crm"}).changed == (Changed("crm", ()),)
    assert not Changed("crm", ()).endpoint_only


def test_an_outline_that_knows_less_is_compared_in_what_it_knows() -> None:
    old = Outline("", {"crm": {"window": "nightly"}, "gone": {"window": "default"}}, {}, {})
    plan = compare(old, outline_of(configuration(CRM, LRS)))
    assert (plan.added, plan.removed) == (("lrs",), ("gone",))
    assert plan.changed == (Changed("crm", ("window",)),)
    assert plan.activated == plan.retired == ()


def test_an_outline_holds_no_secret_and_sees_that_it_changed() -> None:
    told = json.dumps(outline(replace(CRM, endpoint=replace(CRM.endpoint, headers=(("X-Key", "hunter2"),)))))
    assert "t0ken" not in told and "kkkk" not in told and "hunter2" not in told
    assert "https://crm.example/..." in told and "signature (" in told
    other = replace(CRM, endpoint=replace(CRM.endpoint, auth=SignatureAuth((b"j" * 32,))))
    assert planned(configuration(CRM), configuration(other)).changed == (Changed("crm", ("auth",)),)
    basic = replace(CRM, endpoint=replace(CRM.endpoint, auth=BasicAuth("me", "hunter2")))
    assert outline(basic)["auth"].startswith("basic (")


def test_an_outline_is_json_and_comes_back_as_it_was() -> None:
    whole = outline_of(configuration(CRM, LRS))
    assert json.loads(json.dumps(whole.subscriptions)) == whole.subscriptions
