"""Which files make a configuration, and do they agree? daemon.yaml, then subscriptions/*.yaml, then what spans them.

text ── documents.py ──> nodes ── places.py ──> values ── pydantic's models ──> the core's values
                           ^                                   │
                           └──── where it stands <── mistakes ─┘
"""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from lmshooks.config.daemon import Bounds, Daemon, DaemonSettings, Window
from lmshooks.config.documents import Node, Unreadable, compose, text_of
from lmshooks.config.mistakes import ConfigurationMistakes, Mistake, Several, Wrong, did_you_mean, nearest
from lmshooks.config.outline import Section, form_at
from lmshooks.config.places import KEY, File, Place, Tree
from lmshooks.config.reading import Reading
from lmshooks.config.subscriptions import Entry, Subscriptions
from lmshooks.core.configuration import Configuration
from lmshooks.core.subscriptions import Subscription

M = TypeVar("M", bound=Section)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration without mistakes; `warnings` are for people, one line each."""

    configuration: Configuration
    daemon: DaemonSettings
    warnings: tuple[str, ...] = ()
    read_at: float = 0.0
    """When its reading began, seconds since the epoch."""


def load(directory: Path, environ: Mapping[str, str], *, secrets: bool = True) -> Loaded:
    """Read the folder; secrets come from `environ` and from files named relative to the folder.

    Without `secrets` none is looked up, and each reference stands for itself. Raises ConfigurationMistakes with all of
    them.
    """
    collecting, began = gc.isenabled(), time.time()
    # What is made here lives on or is freed at once: looking for garbage among it takes long.
    gc.disable()
    try:
        return replace(_Load(directory, environ, secrets).result(), read_at=began)
    finally:
        if collecting:
            gc.enable()


def load_daemon(directory: Path, environ: Mapping[str, str]) -> DaemonSettings:
    """Read daemon.yaml alone, for who needs no subscription. Raises ConfigurationMistakes."""
    loading = _Load(directory, environ)
    daemon = loading.daemon()
    if daemon is None or loading.mistakes:
        raise ConfigurationMistakes(tuple(loading.mistakes))
    return daemon.settings()


class _Load:
    """One reading of the folder: what was found so far, and what is wrong."""

    def __init__(self, directory: Path, environ: Mapping[str, str], secrets: bool = True) -> None:
        self._directory = directory
        self._reading = Reading(environ, directory, secrets)
        self._bounds = Bounds()
        self.mistakes: list[Mistake] = []
        self._warnings: list[str] = []
        self._found: dict[str, Subscription] = {}
        self._spots: dict[str, tuple[str, int]] = {}
        self._accounts: dict[str, int] = {}

    def result(self) -> Loaded:
        daemon = self.daemon()
        if daemon is not None:
            self._bounds = daemon.limits
            self._reading.allow_http = daemon.egress.allow_http
            self._reading.windows = frozenset(("default", *daemon.windows))
        folder = self._directory / "subscriptions"
        files = [each for each in sorted(folder.glob("*.y*ml")) if each.suffix in (".yaml", ".yml")]
        files = [each for each in files if not each.name.startswith(".")]
        for path in files:
            self._subscriptions(path)
        if not files:
            # A folder that vanished for a moment must not read as "everybody is gone".
            hint = "a file with `subscriptions: []` says that there are none"
            self.mistakes.append(Mistake(str(folder), 1, 1, "", "no file", "one *.yaml or more", hint))
        if self.mistakes or daemon is None:
            raise ConfigurationMistakes(tuple(self.mistakes))
        windows = {"default": Window.model_validate({"every": "15m"})} | daemon.windows
        configuration = Configuration(
            self._found,
            {name: window.schedule() for name, window in windows.items()},
            daemon.cadences,
            daemon.orphan_grace,
            _digest(daemon, windows, self._found),
        )
        return Loaded(configuration, daemon.settings(), tuple(self._warnings))

    def daemon(self) -> Daemon | None:
        """daemon.yaml, or None where it has mistakes. What subscriptions name of it is then believed, not checked."""
        path = self._directory / "daemon.yaml"
        try:
            file = File(str(path), text_of(path), Daemon)
            root = compose(file.text)
        except Unreadable as why:
            self.mistakes.append(File(str(path), "", Daemon).unreadable(why))
            return None
        return self._read(Tree(file, root), Daemon)

    def _subscriptions(self, path: Path) -> None:
        file = File(str(path), "", Subscriptions)
        try:
            file.text = text_of(path)
            root = compose(file.text, lambda number, node: self._entry(file, number, node), "subscriptions")
        except Unreadable as why:
            self.mistakes.append(file.unreadable(why))
            return
        self._read(Tree(file, root), Subscriptions)

    def _entry(self, file: File, number: int, node: Node) -> None:
        tree = Tree(file, node, ("subscriptions", number))
        entry = self._read(tree, Entry)
        if entry is None:
            return
        if entry.id in self._found:
            first = "{}:{}".format(*self._spots[entry.id])
            wrong = tree.mistake(
                (*tree.place, "id"), "an id of its own", f"{entry.id!r} a second time", f"the first is in {first}"
            )
            self.mistakes.append(wrong)
            return
        self._found[entry.id] = entry.value(self._bounds, self._reading)
        self._spots[entry.id] = (file.name, node.start_mark.line + 1)
        count = self._accounts[entry.account] = self._accounts.get(entry.account, 0) + 1
        most = self._bounds.subscriptions_per_account
        if count == most + 1:
            found = f"subscription {count} of account {entry.account!r}"
            hint = "limits.subscriptions_per_account in daemon.yaml raises it"
            self.mistakes.append(tree.mistake((*tree.place, "account"), f"at most {most}", found, hint))
        for index, doubt in entry.doubts():
            place = (*tree.place, "events", index)
            dotted = ".".join(map(str, place))
            self._warnings.append(f"{file.name}:{tree.node_at(place).start_mark.line + 1}: {dotted}: {doubt}")

    def _read(self, tree: Tree, model: type[M]) -> M | None:
        """What a model makes of the values; None where there are mistakes."""
        before = len(self.mistakes)
        value = tree.value(self.mistakes)
        try:
            made = model.model_validate(value, context=self._reading)
        except ValidationError as wrong:
            meant: set[Place] = set()
            told: list[Mistake] = []
            # Unknown keys come last: what one of them was meant for is not missing as well.
            for error in reversed(wrong.errors(include_url=False, include_input=False)):
                told += _told(tree, error["type"], (*tree.place, *error["loc"]), error, meant)
            self.mistakes += sorted(told, key=lambda each: (each.line, each.column))
            return None
        return made if len(self.mistakes) == before else None


def _told(tree: Tree, kind: str, place: Place, error: Any, meant: set[Place]) -> Iterator[Mistake]:
    """One of pydantic's errors in our words: what stands there comes from the node, what should from the model.

    `meant` are the keys that unknown ones were probably meant for.
    """
    if kind == "extra_forbidden":
        parent = form_at(tree.file.model, place[:-1])
        known = list(parent.section.model_fields) if parent and parent.section else []
        close = nearest(place[-1], known)
        meant.add((*place[:-1], close))
        expected = "a known one" if close else f"one of {', '.join(known)}"
        yield tree.mistake((*place, KEY), expected, "an unknown key", did_you_mean(place[-1], known))
        return
    if kind == "missing" and place in meant:
        return
    if kind == "too_short" and tree.node_at(place).value:
        return  # its items are wrong, and told
    raised = error.get("ctx", {}).get("error")
    if isinstance(raised, Several):
        for each in raised.wrongs:
            yield tree.mistake((*place, *each.at), each.expected, each.found, each.hint)
    elif isinstance(raised, Wrong):
        yield tree.mistake((*place, *raised.at), raised.expected, raised.found, raised.hint)
    elif raised is not None:
        found, _, expected = str(raised).partition(", expected ")
        yield tree.mistake(place, expected, found)
    else:
        form = form_at(tree.file.model, place)
        yield tree.mistake(place, form.expected if form else error["msg"])


def _digest(daemon: Daemon, windows: Mapping[str, Window], subscriptions: Mapping[str, Subscription]) -> str:
    """16 hex digits. Secrets go in only through the hash, which tells nothing of them but that they changed."""
    digest = hashlib.sha256()
    digest.update(repr((sorted(windows.items()), sorted(daemon.cadences.items()), daemon.orphan_grace)).encode())
    for name in sorted(subscriptions):
        one = subscriptions[name]
        auth: Any = one.endpoint.auth
        secret = [getattr(auth, part, None) for part in ("password", "token", "secrets")]
        digest.update(repr((one, one.endpoint.url, one.endpoint.headers, secret)).encode())
    return digest.hexdigest()[:16]
