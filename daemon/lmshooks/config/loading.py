"""Which files make a configuration, and do they agree? daemon.yaml, then subscriptions/*.yaml, then what spans them."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lmshooks.config.entries import KEYS, subscription
from lmshooks.config.mistakes import ConfigurationMistakes, Mistake
from lmshooks.config.nodes import compose, tell
from lmshooks.config.process import SECTIONS, DaemonSettings, Process, process
from lmshooks.config.reading import Reading, Section
from lmshooks.core.configuration import Configuration
from lmshooks.core.subscriptions import Subscription


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration without mistakes; `warnings` are for people, one line each."""

    configuration: Configuration
    daemon: DaemonSettings
    warnings: tuple[str, ...] = ()


def load(directory: Path, environ: Mapping[str, str]) -> Loaded:
    """Read the folder; secrets come from `environ` and from files named relative to the folder.

    Raises ConfigurationMistakes with all of them.
    """
    collecting = gc.isenabled()
    # Millions of nodes that all live until the end: looking for garbage among them takes long.
    gc.disable()
    try:
        return _load(directory, Reading(environ, directory))
    finally:
        if collecting:
            gc.enable()


def _load(directory: Path, reading: Reading) -> Loaded:
    mistakes = reading.mistakes
    name = str(directory / "daemon.yaml")
    root, wrong = compose(directory / "daemon.yaml", name)
    mistakes += wrong
    settings = process(Section(reading, name, root, "", SECTIONS)) if root is not None else None
    if settings is None:
        raise ConfigurationMistakes(tuple(mistakes))
    found: dict[str, Subscription] = {}
    spots: dict[str, str] = {}
    accounts: dict[str, int] = {}
    folder = directory / "subscriptions"
    files = [path for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))) if not path.name.startswith(".")]
    for path in files:
        for entry in _entries(reading, path):
            one = subscription(entry, settings)
            if one is None:
                continue
            if one.id in found:
                entry.wrong(entry.values["id"], "id", f"{one.id!r} again", "an id of its own", f"first {spots[one.id]}")
                continue
            found[one.id] = one
            spots[one.id] = f"in {entry.file}:{entry.values['id'].start_mark.line + 1}"
            count = accounts[one.account] = accounts.get(one.account, 0) + 1
            most = settings.daemon.subscriptions_per_account
            if count == most + 1:
                entry.wrong(
                    entry.values["account"], "account", f"subscription {count} of account {one.account!r}",
                    f"at most {most}", "limits.subscriptions_per_account in daemon.yaml raises it",
                )  # fmt: skip
    if not files and not mistakes:
        # A folder that vanished for a moment must not read as "everybody is gone".
        hint = "a file with `subscriptions: []` says that there are none"
        mistakes.append(Mistake(str(folder), 1, 1, "subscriptions", "no file", "at least one *.yaml", hint))
    if mistakes:
        raise ConfigurationMistakes(tuple(mistakes))
    version = _digest(settings, found)
    configuration = Configuration(found, settings.windows, settings.cadences, settings.orphan_grace, version)
    return Loaded(configuration, settings.daemon, tuple(reading.warnings))


def _entries(reading: Reading, path: Path) -> list[Section]:
    name = str(path)
    root, wrong = compose(path, name)
    reading.mistakes += wrong
    if root is None:
        return []
    top = Section(reading, name, root, "", ("subscriptions",))
    node: Any = top.values.get("subscriptions")
    if node is None:
        top.required("subscriptions", top.text)
        return []
    if isinstance(node, yaml.MappingNode):
        return [Section(reading, name, node, "subscriptions", KEYS)]
    if not isinstance(node, yaml.SequenceNode):
        reading.mistakes.append(
            Mistake(name, node.start_mark.line + 1, node.start_mark.column + 1, "subscriptions", tell(node), "a list")
        )
        return []
    return [Section(reading, name, item, f"subscriptions.{at}", KEYS) for at, item in enumerate(node.value)]


def _digest(settings: Process, subscriptions: Mapping[str, Subscription]) -> str:
    """16 hex digits. Secrets go in only through the hash, which tells nothing of them but that they changed."""
    digest = hashlib.sha256()
    head = (sorted(settings.schedules.items()), sorted(settings.cadences.items()), settings.orphan_grace)
    digest.update(repr(head).encode())
    for name in sorted(subscriptions):
        one = subscriptions[name]
        auth: Any = one.endpoint.auth
        secret = [getattr(auth, part, None) for part in ("password", "token", "secrets")]
        digest.update(repr((one, one.endpoint.url, one.endpoint.headers, secret)).encode())
    return digest.hexdigest()[:16]
