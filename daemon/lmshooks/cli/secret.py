"""How does a subscription get a secret, another one without a gap, and how does its owner learn it?"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lmshooks.cli import Guessing, secret_files, settings
from lmshooks.cli.completing import subscription_ids
from lmshooks.core.signing import LONGEST, SHORTEST, TOLERANCE, BadSecret, parse_secret, sign

if TYPE_CHECKING:
    from lmshooks.core.subscriptions import Subscription


@click.group(
    cls=Guessing,
    epilog="""\b
The life of a secret:
  lmshooks secret make --file config/secrets/crm        # in the YAML: secrets: [{file: secrets/crm}]
  lmshooks secret export crm-completions --file for-the-owner.json
  lmshooks secret rotate config/secrets/crm             # says what to do next, step by step""",
)
def secret() -> None:
    """Make, rotate and hand over the secrets that sign deliveries (Standard Webhooks, whsec_)."""


@secret.command(
    epilog="""\b
Examples:
  lmshooks secret make --file config/secrets/crm
  kubectl create secret generic crm --from-literal=key="$(lmshooks secret make)" """
)
@settings.config_option
@click.option("--file", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write it there (0600).")
@click.option(
    "--bytes",
    "size",
    default=32,
    show_default=True,
    metavar="N",
    type=click.IntRange(SHORTEST, LONGEST),
    help="Its size.",
)
def make(file: Path | None, directory: Path, size: int) -> None:
    """Make a secret: to a file, or to standard output alone.

    Exit status: 0 made, 1 the file is there already or cannot be written, 2 usage.
    """
    made = secret_files.make(size)
    if file is None:
        click.echo(made)
        return
    secret_files.create(file, f"{made}\n")
    click.echo(f"wrote {file} (readable by its owner alone); a subscription names it so:")
    click.echo(f"  auth: {{signature: {{secrets: [{{file: {_relative(file, directory)}}}]}}}}")


@secret.command(
    short_help="Tell the listener's owner, as JSON, all that verifying takes.",
    epilog="""\b
Examples:
  lmshooks secret export crm-completions --file for-the-owner.json
  lmshooks secret export crm-completions | gpg --encrypt --recipient owner@example.com""",
)
@click.argument("subscription_id", metavar="SUBSCRIPTION_ID", shell_complete=subscription_ids)
@settings.config_option
@click.option("--file", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write it there (0600).")
def export(subscription_id: str, directory: Path, file: Path | None) -> None:
    """Tell the listener's owner, as JSON, all that verifying takes: secrets, headers, algorithm, an example.

    It holds the secrets themselves: hand it over as you would a password.

    Exit status: 0 told, 1 it does not sign (or no such subscription), 2 usage.
    """
    loaded = settings.loaded(directory)
    one = settings.subscription(loaded.configuration, directory, subscription_id)
    told = json.dumps(_handed_over(one), indent=2, ensure_ascii=False)
    if file is None:
        if sys.stdout.isatty():
            click.echo("note: this shows secrets; --file writes them for their owner alone", err=True)
        click.echo(told)
        return
    secret_files.create(file, f"{told}\n")
    click.echo(f"wrote {file} (readable by its owner alone): it holds secrets, hand it over as you would a password")


def _handed_over(one: Subscription) -> dict[str, Any]:
    from lmshooks.core.envelope import body
    from lmshooks.core.subscriptions import SignatureAuth

    auth = one.endpoint.auth
    if not isinstance(auth, SignatureAuth):
        found = type(auth).__name__.removesuffix("Auth").lower() if auth else "none"
        raise click.ClickException(
            f"{one.id} does not sign: its auth is {found}, expected signature; `lmshooks secret make` makes a secret"
        )
    content = body(b'"1010"', [b'{"eventId":"e1","eventName":"COURSE_COMPLETED"}'])
    example = sign(auth.secrets, "msg_example", int(time.time()), content)
    return {
        "subscription": one.id,
        "url": one.endpoint.url,
        "standard": "Standard Webhooks, https://www.standardwebhooks.com: its libraries verify this as it is",
        "algorithm": "HMAC-SHA256, base64, prefixed v1,",
        "headers": {"id": "webhook-id", "timestamp": "webhook-timestamp", "signature": "webhook-signature"},
        "secrets": [secret_files.spelt(key) for key in auth.secrets],
        "key": "the bytes that the base64 after whsec_ stands for",
        "signed": "<webhook-id>.<webhook-timestamp>.<the raw body>",
        "accept": "any one of the signatures in the header (parted by spaces) with any one of the secrets",
        "tolerance_seconds": TOLERANCE,
        "example": {**example, "body": content.decode()},
        "check": "feed the example to your verifier, its clock set to the example's timestamp: it must accept it, and "
        "must refuse it with any byte of the body changed",
    }


@secret.command(
    short_help="Change a secret without a gap, step by step.",
    epilog="""\b
Examples:
  lmshooks secret rotate config/secrets/crm              # makes config/secrets/crm.next
  lmshooks secret rotate config/secrets/crm --finish     # when the listener's owner has the new one""",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@settings.config_option
@click.option("--finish", is_flag=True, help="The owner has the new secret: it takes the place of the old one.")
def rotate(file: Path, directory: Path, finish: bool) -> None:
    """Change the secret in FILE without a delivery that its listener cannot verify.

    First a new secret stands beside the old one and every delivery is signed with both; when the owner verifies with
    the new one, the old one goes. FILE is what a subscription names as {file: ...}.

    Exit status: 0 this step is done, 1 it is not (the text says why), 2 usage.
    """
    upcoming = file.with_name(f"{file.name}.next")
    old = _key(file)
    users = _users(directory, old)
    named = _relative(file, directory), _relative(upcoming, directory)
    if not finish:
        if upcoming.exists():
            raise click.ClickException(
                f"{upcoming} is there already, so a rotation is under way: end it with "
                f"`lmshooks secret rotate {file}{settings.shown(directory)} --finish`"
            )
        _begin(upcoming, users, named, file, settings.shown(directory))
        return
    if not upcoming.exists():
        raise click.ClickException(
            f"{upcoming} is not there: begin with `lmshooks secret rotate {file}{settings.shown(directory)}`"
        )
    new = _key(upcoming)
    # Before the owner's listener has seen both, one that knows the old secret alone would refuse everything.
    alone = [one.id for one in users if new not in _keys(one)]
    if alone and new != old:
        raise click.ClickException(
            f"{', '.join(alone)} signs with the old secret alone: list both first, "
            f"secrets: [{{file: {named[1]}}}, {{file: {named[0]}}}]"
        )
    secret_files.replace(file, upcoming.read_text())
    click.echo(f"{file} holds the new secret now. What is left to do:")
    click.echo("  1. sign with it alone, in the subscription:")
    click.echo(f"       secrets: [{{file: {named[0]}}}]")
    click.echo(f"  2. then: rm {upcoming}")


def _begin(upcoming: Path, users: list[Subscription], named: tuple[str, str], file: Path, config: str) -> None:
    secret_files.create(upcoming, f"{secret_files.make(32)}\n")
    ids = ", ".join(one.id for one in users)
    click.echo(f"wrote {upcoming} (readable by its owner alone). What is to be done now:")
    click.echo(f"  1. sign with both, in {ids or 'the subscription'}; the daemon takes it at once:")
    click.echo(f"       secrets: [{{file: {named[1]}}}, {{file: {named[0]}}}]")
    click.echo("  2. hand the new one to the listener's owner:")
    of = users[0].id if users else "SUBSCRIPTION_ID"
    click.echo(f"       lmshooks secret export {of}{config} --file for-the-owner.json")
    click.echo("  3. when the owner verifies with it:")
    click.echo(f"       lmshooks secret rotate {file}{config} --finish")


def _key(file: Path) -> bytes:
    """The secret in a file; what is said of one that is none never holds it."""
    try:
        return parse_secret(file.read_text().strip())
    except BadSecret as error:
        raise click.ClickException(f"{file}: {error}") from None
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{file} cannot be read: {error}") from None


def _keys(one: Subscription) -> tuple[bytes, ...]:
    from lmshooks.core.subscriptions import SignatureAuth

    auth = one.endpoint.auth
    return auth.secrets if isinstance(auth, SignatureAuth) else ()


def _users(directory: Path, key: bytes) -> list[Subscription]:
    """The subscriptions that sign with this key."""
    configuration = settings.loaded(directory).configuration
    return [one for one in configuration.subscriptions.values() if key in _keys(one)]


def _relative(file: Path, directory: Path) -> str:
    """How the YAML names a file: relative to the folder where it lies in it."""
    whole, folder = os.path.realpath(file), os.path.realpath(directory)
    return os.path.relpath(whole, folder) if whole.startswith(folder + os.sep) else whole
