"""The published contracts are the code's, and are what they say they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from lmshooks.adapters.admin import Admin
from lmshooks.adapters.dead_letters import headers_of
from lmshooks.adapters.kafka_client import KafkaSettings
from lmshooks.contracts.answers import ANSWERS, kind_of
from lmshooks.contracts.asyncapi import asyncapi
from lmshooks.contracts.documents import documents, write
from lmshooks.contracts.headers import dead_letter_headers
from lmshooks.contracts.openapi import openapi
from lmshooks.core.catalogue import CATALOGUE
from lmshooks.core.commands import Bury
from lmshooks.core.events import LetterReason
from lmshooks.core.positions import Partition
from lmshooks.core.retrying import Outcome, Verdict, judge
from tests.contracts.metaschema import NoMetaschema, metaschema

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "contracts"
MADE = documents()


def test_what_is_published_is_what_the_code_says() -> None:
    published = {file.relative_to(PUBLISHED).as_posix() for file in PUBLISHED.rglob("*.*") if file.suffix != ".md"}
    assert published == set(MADE), "run: make contracts"
    stale = [path for path, text in MADE.items() if (PUBLISHED / path).read_text() != text]
    assert stale == [], "run: make contracts"


def test_writing_leaves_what_is_right_and_takes_away_what_is_none(tmp_path: Path) -> None:
    assert write(tmp_path) == len(MADE)
    assert write(tmp_path) == 0
    (tmp_path / "records" / "NO_SUCH.schema.json").write_text("{}")
    (tmp_path / "asyncapi.yaml").write_text("")
    assert write(tmp_path) == 2
    assert not (tmp_path / "records" / "NO_SUCH.schema.json").exists()


@pytest.mark.parametrize("path", sorted(path for path in MADE if path.endswith(".json")))
def test_every_schema_is_one_and_stands_by_itself(path: str) -> None:
    schema = json.loads(MADE[path])
    Draft202012Validator.check_schema(schema)
    references = {line.split('"')[3] for line in MADE[path].splitlines() if '"$ref"' in line}
    assert references == {f"#/$defs/{name}" for name in schema["$defs"]}


def test_there_are_schemas_of_records_and_bodies_for_every_event_name() -> None:
    for folder in ("records", "bodies"):
        titles = [json.loads(text)["title"] for path, text in MADE.items() if path.startswith(folder)]
        assert len(titles) == len(CATALOGUE) + 1
        assert [name for name in CATALOGUE if not any(f" {name} " in title for title in titles)] == []


def test_the_admin_ports_document_is_openapi() -> None:
    OpenAPIV31SpecValidator(openapi()).validate()


def test_the_topics_and_webhooks_document_is_asyncapi() -> None:
    try:
        schema = metaschema()
    except NoMetaschema as why:
        pytest.skip(f"no AsyncAPI meta-schema: {why}")
    problems = [
        f"{list(each.absolute_path)}: {each.message[:200]}" for each in Draft7Validator(schema).iter_errors(asyncapi())
    ]
    assert problems == []


def test_what_is_referred_to_is_there() -> None:
    for document in (asyncapi(), openapi()):
        for reference in _references(document):
            found = document
            for part in reference.removeprefix("#/").split("/"):
                found = found[part]
            assert found


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [each for child in value.values() for each in _references(child)]
    return [each for child in value for each in _references(child)] if isinstance(value, list) else []


async def test_the_paths_are_the_ones_that_are_served() -> None:
    admin = Admin("127.0.0.1", 0, sources=None)  # type: ignore[arg-type]  # nothing is asked
    await admin.start()
    try:
        assert admin._runner is not None
        served = {resource.canonical for resource in admin._runner.app.router.resources()}
    finally:
        await admin.stop()
    assert served == set(openapi()["paths"])


def test_the_yaml_says_the_same_as_the_values() -> None:
    assert yaml.safe_load(MADE["asyncapi.yaml"]) == asyncapi()
    assert yaml.safe_load(MADE["openapi.yaml"]) == openapi()


def test_every_status_is_one_kind_of_answer() -> None:
    told = {answer.name: set(answer.statuses) for answer in ANSWERS}
    assert told["delivered"] == set(range(200, 300))
    assert told["gone"] == {410}
    assert told["refused"] == {400, 413, 415, 422}
    assert told["busy"] == {429, 503}
    assert told["redirected"] == set(range(300, 400))
    assert sum(len(statuses) for statuses in told.values()) == 400
    assert {401, 404, 500} <= told["failed"]
    assert kind_of(418) == "failed"


def test_every_failure_that_asks_to_wait_is_a_busy_one_but_for_several_refused_events() -> None:
    for answer in ANSWERS:
        for status in answer.statuses:
            verdict = judge(Outcome(status, None, 7.0, 0.0, ""), events=2, refusals=0)
            assert (verdict is Verdict.WAIT) is (answer.name in ("busy", "redirected", "failed")), status


def test_our_topics_have_their_default_names() -> None:
    channels, settings = asyncapi()["channels"], KafkaSettings("localhost:9092")
    assert channels["deadLetters"]["address"] == settings.dead_letter_topic
    assert channels["state"]["address"] == settings.state_topic
    assert channels["state"]["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] == ["compact"]


@pytest.mark.parametrize("reason", LetterReason)
def test_the_headers_of_a_dead_letter_are_as_they_are_said_to_be(reason: LetterReason) -> None:
    schema = dead_letter_headers()
    closed = Draft202012Validator({**schema, "additionalProperties": False})
    place = (None, Partition("lms.events", 3), 7, 0, reason, "why")
    least = headers_of(Bury(*place, None, None, b"{}", ()))
    most = headers_of(Bury(*place, "crm", "msg_x", b"{}", ()))
    for headers in (least, most):
        closed.validate({name: value.decode() for name, value in headers})
    assert {name for name, _ in least} == set(schema["required"])
    assert {name for name, _ in most} == set(schema["properties"]) - {"lmshooks-value"}
