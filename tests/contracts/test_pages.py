"""The pages for owners of listeners and producers, held against the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from lmshooks.contracts import schemas
from lmshooks.contracts.answers import ANSWERS, kind_of
from lmshooks.contracts.headers import webhook_headers
from lmshooks.core.keys import PrivateKey, SigningKey
from lmshooks.core.signing import sign
from lmshooks.core.subscriptions import Endpoint, Subscription

DOCS = Path(__file__).resolve().parents[2] / "docs"
LISTENERS = (DOCS / "listeners.md").read_text()


def rows(page: str, head: str) -> list[list[str]]:
    """The rows of the table whose first column is so named."""
    table = page[page.index(f"| {head} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


@pytest.mark.parametrize("page", ["listeners.md", "producers.md", "contracts/README.md"])
def test_every_link_leads_somewhere(page: str) -> None:
    file = DOCS / page
    links = re.findall(r"\]\((?!http)([^)#]+)", file.read_text())
    assert links
    assert [link for link in links if not (file.parent / link).exists()] == []


def test_the_table_of_answers_says_what_the_daemon_does() -> None:
    told: dict[str, set[int]] = {}
    for answers, _ in rows(LISTENERS, "you answer"):
        for status in re.findall(r"\b\d{3}\b|\b[23]xx\b", answers):
            number = int(status.replace("xx", "00"))
            told.setdefault(kind_of(number), set()).add(number)
        assert len({kind_of(int(each)) for each in re.findall(r"\b\d{3}\b", answers)}) <= 1, answers
    small = {answer.name: answer.statuses for answer in ANSWERS if len(answer.statuses) < 10}
    assert {name: set(statuses) for name, statuses in small.items()} == {name: told[name] for name in small}
    assert told.keys() | {"failed"} == {answer.name for answer in ANSWERS}


def test_the_table_of_headers_has_all_of_them() -> None:
    assert {cells[0].strip("`") for cells in rows(LISTENERS, "header")} == set(webhook_headers()["properties"])


def test_the_contract_of_signatures_takes_what_either_kind_of_key_makes_and_no_more() -> None:
    pattern = webhook_headers()["properties"]["webhook-signature"]["pattern"]
    keys: list[SigningKey] = [b"k" * 32, PrivateKey.of(b"s" * 32)]
    for one in ([keys[0]], [keys[1]], keys, keys[::-1] * 2):
        assert re.search(pattern, sign(one, "msg_1", 1, b"")["webhook-signature"])
    for other in ("v1a,AAAA", "v1," + "A" * 86 + "==", sign(keys, "m", 1, b"")["webhook-signature"].replace(" ", ", ")):
        assert not re.search(pattern, other)


def test_the_first_body_is_one() -> None:
    (snippet,) = re.findall(r"```json\n(.*?)```", LISTENERS, re.DOTALL)
    Draft202012Validator(schemas.bodies("COURSE_COMPLETED")).validate(json.loads(snippet))


def test_the_records_of_both_shapes_are_some() -> None:
    bare, envelope = re.findall(r"```json\n(.*?)```", (DOCS / "producers.md").read_text(), re.DOTALL)
    Draft202012Validator(schemas.records("COURSE_COMPLETED")).validate(json.loads(bare))
    Draft202012Validator(schemas.records()).validate(json.loads(envelope))


def test_the_numbers_are_the_defaults() -> None:
    text = " ".join(LISTENERS.split())
    endpoint = Endpoint("https://example.com")
    one = Subscription("s", "1", ("*",), endpoint)
    assert f"up to {one.max_events} events and {one.max_bytes // 2**20} MiB" in text
    assert f"{endpoint.connect_timeout:g} s to accept the connection and {endpoint.total_timeout:g} s in all" in text
    assert f"**{one.retry.horizon / 86400:g} days**" in text
