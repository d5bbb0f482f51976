"""Do the examples of config/ show every setting, and are they right? A setting without an example line fails here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lmshooks.config import load
from lmshooks.config.daemon import Daemon
from lmshooks.config.outline import Section, Setting, all_settings
from lmshooks.config.subscriptions import Subscriptions

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"
REFERENCE = CONFIG / "reference"
ENVIRON = {"KAFKA_PASSWORD": "x", "POD_NAME": "x", "CRM_WEBHOOK_SECRET": "whsec_" + "A" * 40, "MAILER_TOKEN": "x"}
FILES: dict[str, type[Section]] = {"daemon.yaml": Daemon, "subscriptions/every-setting.yaml": Subscriptions}


def found(value: Any, path: tuple[str, ...]) -> list[Any]:
    """What stands at a path, `*` being any name and any item."""
    if not path:
        return [value]
    if isinstance(value, list):
        return [each for item in value for each in found(item, path[path[0] == "*" :])]
    if not isinstance(value, dict):
        return []
    inner = list(value.values()) if path[0] == "*" else [value[path[0]]] if path[0] in value else []
    return [each for item in inner for each in found(item, path[1:])]


def settings() -> list[tuple[str, Setting]]:
    return [(name, setting) for name, model in FILES.items() for setting in all_settings(model)]


@pytest.mark.parametrize(("name", "setting"), settings(), ids=lambda each: getattr(each, "dotted", ""))
def test_the_reference_shows_the_setting(name: str, setting: Setting) -> None:
    text = (REFERENCE / name).read_text()
    shown = found(yaml.safe_load(text), setting.path)
    # Of two settings that exclude each other, one stands in a comment.
    assert shown or re.search(rf"^ *# {setting.path[-1]}: \S", text, re.MULTILINE)
    assert setting.says.endswith(".")


@pytest.mark.parametrize(("name", "setting"), settings(), ids=lambda each: getattr(each, "dotted", ""))
def test_what_the_reference_shows_is_the_default_unless_a_comment_gives_another(name: str, setting: Setting) -> None:
    text = (REFERENCE / name).read_text()
    shown = found(yaml.safe_load(text), setting.path)
    if setting.written in (None, "") or setting.required or setting.path[0] == "windows":
        return
    if setting.written in shown or {"1d": "24h"}.get(setting.written) in shown:
        return
    above = text.split(f" {setting.path[-1]}: ")[0].rsplit("\n", 2)[-2]
    assert re.search(r"default", above)


def test_the_reference_is_valid(tmp_path: Path) -> None:
    (tmp_path / "subscriptions").mkdir()
    (tmp_path / "warehouse").write_text("sesame\n")
    for name in FILES:
        text = (REFERENCE / name).read_text().replace("/run/secrets/warehouse", "warehouse")
        (tmp_path / name).write_text(text)
    loaded = load(tmp_path, ENVIRON)
    assert set(loaded.configuration.subscriptions) == {"crm-completions", "warehouse", "mailer"}
    assert loaded.warnings == ()


def test_the_example_is_valid_and_needs_no_secret() -> None:
    assert load(CONFIG, {}).configuration.subscriptions


@pytest.mark.parametrize("path", sorted(CONFIG.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONFIG)))
def test_an_editor_finds_the_schema(path: Path) -> None:
    first = path.read_text().split("\n")[0]
    where = first.removeprefix("# yaml-language-server: $schema=")
    kind = "daemon" if path.name == "daemon.yaml" else "subscriptions"
    assert (path.parent / where).resolve() == ROOT / "docs" / "schemas" / f"{kind}.schema.json"
