"""Are the JSON Schemas what the models are? They take every file that loads, and refuse what is built wrongly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from lmshooks.config import schemas
from lmshooks.config.documents import compose
from lmshooks.config.places import File, Tree

ROOT = Path(__file__).resolve().parents[2]
BAD = Path(__file__).parent / "bad"
GOOD = Path(__file__).parent / "good"
STRUCTURE = (
    "daemon-list", "daemon-no-kafka", "daemon-kafka-text", "daemon-no-servers", "daemon-no-topics",
    "daemon-unknown-section", "daemon-unknown-setting", "daemon-unknown-far", "daemon-topics-and-pattern",
    "daemon-topics-text", "daemon-topic-name", "daemon-session-timeout", "daemon-protocol", "daemon-password",
    "daemon-port", "daemon-port-text", "daemon-memory", "daemon-memory-unit", "daemon-posts-zero", "daemon-window-none",
    "daemon-window-two", "daemon-cadence", "daemon-grace", "daemon-level",
    "subscriptions-no-list", "subscriptions-nothing", "subscriptions-mapping", "subscriptions-text-entry",
    "subscriptions-unknown-key", "subscriptions-no-id", "subscriptions-no-account", "subscriptions-no-events",
    "subscriptions-no-url", "subscriptions-id", "subscriptions-account-fraction", "subscriptions-events-empty",
    "subscriptions-events-text", "subscriptions-url-relative", "subscriptions-auth-word", "subscriptions-auth-two",
    "subscriptions-auth-empty", "subscriptions-token-literal", "subscriptions-token-neither",
    "subscriptions-signature-literal", "subscriptions-signature-one", "subscriptions-header-number",
    "subscriptions-filter-operator", "subscriptions-filter-nested", "subscriptions-filter-text",
    "subscriptions-filter-order", "subscriptions-filter-deep", "subscriptions-resume", "subscriptions-order",
    "subscriptions-max-events-zero", "subscriptions-max-bytes-no-unit", "subscriptions-timeout-no-unit",
    "subscriptions-retry-jitter", "subscriptions-name-number", "subscriptions-description-long",
)  # fmt: skip
"""Mistakes that a schema can see; the others are about what a value means, or about YAML."""


def mistakes(kind: str, value: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(schemas.schema(kind)).iter_errors(value)]


def value(path: Path) -> Any:
    """What a file says, as the daemon reads it (and an editor: `no` and 22:30 are text)."""
    text = path.read_text()
    return Tree(File(path.name, text, schemas.FILES[kind_of(path)]), compose(text)).value([])


def kind_of(path: Path) -> str:
    return "daemon" if path.name.startswith("daemon") else "subscriptions"


@pytest.mark.parametrize("kind", sorted(schemas.FILES))
def test_the_schema_is_one_and_the_committed_one_is_the_codes(kind: str) -> None:
    Draft202012Validator.check_schema(schemas.schema(kind))
    committed = ROOT / "docs" / "schemas" / f"{kind}.schema.json"
    assert committed.read_text() == schemas.text(kind), "`make contracts` writes it"


def test_it_takes_every_example_and_every_good_file() -> None:
    paths = [*(ROOT / "config").rglob("*.yaml"), *GOOD.rglob("*.yaml")]
    assert len(paths) > 10
    assert {path.name: mistakes(kind_of(path), value(path)) for path in paths} == {path.name: [] for path in paths}


@pytest.mark.parametrize("name", STRUCTURE)
def test_it_refuses_what_is_built_wrongly(name: str) -> None:
    path = BAD / f"{name}.yaml"
    assert mistakes(kind_of(path), value(path))


def test_every_property_is_described() -> None:
    for kind in schemas.FILES:
        for name, definition in json.loads(schemas.text(kind))["$defs"].items():
            undescribed = [key for key, drawn in definition.get("properties", {}).items() if "description" not in drawn]
            assert (name, undescribed) == (name, [])
