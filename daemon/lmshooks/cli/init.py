"""How does one begin? A first configuration, from answers or options: two files of YAML and a secret, checked."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import click

from lmshooks.cli import secret_files, settings
from lmshooks.cli.amounts import many
from lmshooks.cli.completing import event_names
from lmshooks.core.keys import spelt

_DAEMON = """\
# yaml-language-server: $schema=schemas/daemon.schema.json
# The process. What is not here has its default: see "Settings" in the README. The first line is for editors.
kafka:
  bootstrap_servers: [{servers}]
  topics: [{topic}]{more}
"""
_LOCAL = """
# The listener is on this machine. Take this out when it no longer is: deliveries go over https to the internet then.
egress: {{allow_http: {http}, allow_networks: [{network}]}}
"""
_PLAIN = """
# The listener speaks plain http. Take this out when it no longer does.
egress: {allow_http: true}
"""
_TRYING = """
  replication_factor: 1            # of our own topics: a broker that stands alone
  retention_check: warn            # a broker to try things with may keep events for less than the retries take"""
_SUBSCRIPTION = """\
# yaml-language-server: $schema=../schemas/subscriptions.schema.json
# Who gets what. What stands in comments is the default.
subscriptions:
  - id: {id:<28} # its name for ever: what it is owed hangs on it
    account: {account:<23} # "*" is every account
    url: {url}
    auth: {auth}
    events: [{events}]
    # filter: {{data.hasPassed: true}} # events with such fields alone; without it, all
    # window: default                # windowed events wait for its close: every 15m
    # active: true
"""


class Answers(NamedTuple):
    """What a first configuration takes."""

    id: str
    account: str
    url: str
    events: tuple[str, ...]
    auth: str
    bootstrap: str
    topic: str
    trying: bool


@click.command(
    epilog="""\b
Examples:
  lmshooks init                                # asks
  lmshooks init --id crm --account 1010 --url https://crm.example.com/hooks --event COURSE_COMPLETED
  lmshooks init --config try --account 1010 --url http://127.0.0.1:8099/ --bootstrap localhost:9092 --single-broker"""
)
@settings.config_option
@click.option("--id", "identity", metavar="ID", help="The subscription's id. [default: from the url's host]")
@click.option("--account", metavar="ID", help="Whose events; * is every account.")
@click.option("--url", metavar="URL", help="Where deliveries go.")
@click.option(
    "--event", "events", multiple=True, metavar="NAME", shell_complete=event_names, help="Or a glob. Repeatable."
)
@click.option("--auth", type=click.Choice(["signature", "none"]), help="[default: signature, with a new secret]")
@click.option("--bootstrap", metavar="HOST:PORT[,...]", help="Where Kafka is. [default: localhost:9092]")
@click.option("--topic", help="The source topic. [default: lms.events]")
@click.option("--single-broker", is_flag=True, help="For a broker to try things with: one replica, short retention.")
@click.option("--force", is_flag=True, help="Write over files that are there; the secret is another one then.")
def init(
    directory: Path,
    identity: str | None,
    account: str | None,
    url: str | None,
    events: tuple[str, ...],
    auth: str | None,
    bootstrap: str | None,
    topic: str | None,
    single_broker: bool,
    force: bool,
) -> None:
    """Write a first configuration and check it: daemon.yaml, one subscription, and its signing secret.

    It asks for what no option says; where nobody can be asked, only --account and --url are needed. A daemon.yaml that
    is there already is kept, and the subscription is added to it; nothing is written over without --force.

    Exit status: 0 written and valid, 1 not written (the text says why), 2 usage.
    """
    daemon_file = directory / "daemon.yaml"
    kept = daemon_file.exists() and not force
    if kept and (bootstrap or topic or single_broker):
        raise click.ClickException(
            f"{daemon_file} is there already: leave out what it says, or write over it with --force"
        )
    ask = _asking(sys.stdin.isatty())
    account = ask("--account", account, "Account id (* is every account)", None)
    url = ask("--url", url, "URL of the listener", None, _url)
    answers = Answers(
        ask("--id", identity, "Id of the subscription", _identity(url)),
        account,
        url,
        events or tuple(re.split(r"[,\s]+", ask("--event", None, "Events, names or globs", "COURSE_*"))),
        ask("--auth", auth, "Authentication", "signature", click.Choice(["signature", "none"])),
        "" if kept else ask("--bootstrap", bootstrap, "Kafka's address", "localhost:9092"),
        "" if kept else ask("--topic", topic, "Source topic", "lms.events"),
        single_broker,
    )
    files = dict(_files(answers, directory, kept))
    there = [path for path in files if path.exists()]
    if there and not force:
        raise click.ClickException(f"{there[0]} is there already: choose another --id, or write over it with --force")
    with _undone_where_wrong(list(files)):
        for path, text in files.items():
            _write(path, text)
        loaded = settings.loaded(directory)
    _tell(directory, answers, list(files), len(loaded.configuration.subscriptions), kept)
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)


def _asking(interactive: bool) -> Callable[..., str]:
    """How a value comes that no option gave: from a person, from its default, or not at all.

    A person is asked again where an answer is not of its `kind`; all the rest is judged when it is written.
    """

    def ask(option: str, given: str | None, question: str, default: str | None, kind: Any = None) -> str:
        if given is not None:
            return given
        if interactive:
            answer: str = click.prompt(question, default=default, type=kind)
            return answer
        if default is None:
            raise click.UsageError(f"nobody can be asked here: give {option}")
        return default

    return ask


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.UsageError(f"found {text!r}, expected a URL such as https://example.com/hook")
    return text


def _identity(url: str) -> str:
    host = urlsplit(url).hostname or ""
    made = re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-")
    return made if made and not made[0].isdigit() else "first"


def _files(answers: Answers, directory: Path, kept: bool) -> Iterator[tuple[Path, str]]:
    """Every file that is to be written, and what will be in it."""
    from lmshooks.config import schemas

    if not kept:
        yield directory / "daemon.yaml", _daemon(answers)
    auth = "none"
    if answers.auth == "signature":
        auth = f"{{signature: {{secrets: [{{file: secrets/{answers.id}}}]}}}}"
        yield directory / "secrets" / answers.id, f"{spelt(secret_files.make(32))}\n"
        if not (directory / "secrets" / ".gitignore").exists():
            yield directory / "secrets" / ".gitignore", "# Secrets are not for the repository.\n*\n!.gitignore\n"
    # For editors: the first line of either file names its schema.
    for kind in ("subscriptions",) if kept else ("daemon", "subscriptions"):
        path = directory / "schemas" / f"{kind}.schema.json"
        if not path.exists():
            yield path, schemas.text(kind)
    yield (
        directory / "subscriptions" / f"{answers.id}.yaml",
        _SUBSCRIPTION.format(
            id=answers.id,
            account=json.dumps(answers.account),
            url=json.dumps(answers.url),
            auth=auth,
            events=", ".join(json.dumps(name) for name in answers.events),
        ),
    )


def _daemon(answers: Answers) -> str:
    servers = ", ".join(json.dumps(server) for server in answers.bootstrap.split(","))
    text = _DAEMON.format(servers=servers, topic=json.dumps(answers.topic), more=_TRYING if answers.trying else "")
    parts = urlsplit(answers.url)
    http = parts.scheme == "http"
    network = _loopback(parts.hostname or "")
    if network:
        return text + _LOCAL.format(http=str(http).lower(), network=json.dumps(network))
    return text + (_PLAIN if http else "")


def _loopback(host: str) -> str:
    """The network of a host of this machine, which the egress guard has to be told of; empty for any other."""
    if host == "localhost":
        return "127.0.0.0/8"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    return ("127.0.0.0/8" if address.version == 4 else "::1/128") if address.is_loopback else ""


def _write(path: Path, text: str) -> None:
    if path.parent.name == "secrets" and path.name != ".gitignore":
        (secret_files.replace if path.exists() else secret_files.create)(path, text)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror or error}") from None


@contextlib.contextmanager
def _undone_where_wrong(paths: list[Path]) -> Iterator[None]:
    """A configuration that is not valid is not left behind: everything is as it was before."""
    before = {path: path.read_bytes() if path.exists() else None for path in paths}
    folders = dict.fromkeys(folder for path in paths for folder in path.parents if not folder.exists())
    try:
        yield
    except click.ClickException as wrong:
        for path, content in before.items():
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)
        for folder in sorted(folders, reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise click.ClickException(f"nothing is written, since it would not be valid:\n{wrong.message}") from None


def _tell(directory: Path, answers: Answers, paths: list[Path], subscriptions: int, kept: bool) -> None:
    """What was written, and the next commands."""
    if kept:
        click.echo(f"kept  {directory / 'daemon.yaml'}")
    for path in paths:
        secret = path.parent.name == "secrets" and path.name != ".gitignore"
        click.echo(f"wrote {path}{' (the signing secret, readable by its owner alone)' if secret else ''}")
    click.echo(f"valid: {many(subscriptions, 'subscription')}")
    config = settings.shown(directory)
    parts = urlsplit(answers.url)
    click.echo("next:")
    if _loopback(parts.hostname or ""):
        verifying = f" --secret-file {directory / 'secrets' / answers.id}" if answers.auth == "signature" else ""
        click.echo(f"  lmshooks listen --port {parts.port or 80}{verifying}    # a listener, in a terminal of its own")
    click.echo(f"  lmshooks test {answers.id}{config}    # a sample event, straight to the listener")
    click.echo(f"  lmshooks run{config}    # the daemon; then `lmshooks status{config}`")
