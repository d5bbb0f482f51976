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
from lmshooks.core.keys import (
    LONGEST,
    PUBLIC,
    SECRET,
    SHORTEST,
    BadSecret,
    PrivateKey,
    SigningKey,
    parse_signing_key,
    spelt,
)
from lmshooks.core.signing import TOLERANCE, sign

if TYPE_CHECKING:
    from lmshooks.core.subscriptions import Subscription

_ALGORITHMS = {SECRET: "HMAC-SHA256, base64, prefixed v1,", PUBLIC: "Ed25519, base64, prefixed v1a,"}
"""By the prefix of what verifies."""


@click.group(
    cls=Guessing,
    epilog="""\b
The life of a secret:
  lmshooks secret make --file config/secrets/crm        # in the YAML: secrets: [{file: secrets/crm}]
  lmshooks secret export crm-completions --file for-the-owner.json
  lmshooks secret rotate config/secrets/crm             # says what to do next, step by step
\b
Both sides have the same secret (whsec_, signs v1): who has it can sign. Of a key pair (--key-pair, signs v1a) the
private key (whsk_) stays here, the listener's owner gets the public one (whpk_), which verifies and cannot sign.""",
)
def secret() -> None:
    """Make, rotate and hand over what signs deliveries (Standard Webhooks): secrets, or key pairs."""


@secret.command(
    epilog="""\b
Examples:
  lmshooks secret make --file config/secrets/crm
  lmshooks secret make --key-pair --file config/secrets/crm    # the public key: config/secrets/crm.pub
  kubectl create secret generic crm --from-literal=key="$(lmshooks secret make)" """
)
@settings.config_option
@click.option("--file", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write it there (0600).")
@click.option(
    "--bytes",
    "size",
    show_default="32",
    metavar="N",
    type=click.IntRange(SHORTEST, LONGEST),
    help="A secret's size.",
)
@click.option("--key-pair", is_flag=True, help="A private key (Ed25519, v1a), and a public one for the listener.")
def make(file: Path | None, directory: Path, size: int | None, key_pair: bool) -> None:
    """Make a secret, or a key pair: to a file, or to standard output alone.

    The public key of a pair goes into a file beside it (.pub), or to standard error: it is what the listener's owner
    gets. The private one never leaves this side.

    Exit status: 0 made, 1 the file is there already or cannot be written, 2 usage.
    """
    if key_pair and size is not None:
        raise click.UsageError("--bytes is the size of a secret, the keys of a pair have theirs: leave one of them out")
    made = secret_files.make_pair() if key_pair else secret_files.make(size or 32)
    if file is None:
        click.echo(spelt(made))
        if isinstance(made, PrivateKey):
            click.echo(f"note: the public key, for the listener's owner: {spelt(made.public)}", err=True)
        return
    secret_files.create_key(file, made)
    click.echo(f"wrote {file} (readable by its owner alone); a subscription names it so:")
    click.echo(f"  auth: {{signature: {{secrets: [{{file: {_relative(file, directory)}}}]}}}}")
    if isinstance(made, PrivateKey):
        click.echo(f"wrote {secret_files.public_of(file)} (the public key): that is what the listener's owner gets")


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
    """Tell the listener's owner, as JSON, all that verifying takes: secrets, public keys, headers, an example.

    It holds the secrets themselves: hand it over as you would a password. Of a key pair it holds the public key alone.

    Exit status: 0 told, 1 it does not sign (or no such subscription), 2 usage.
    """
    loaded = settings.loaded(directory)
    one = settings.subscription(loaded.configuration, directory, subscription_id)
    handed_over = _handed_over(one)
    told = json.dumps(handed_over, indent=2, ensure_ascii=False)
    if file is None:
        if sys.stdout.isatty() and handed_over["secrets"]:
            click.echo("note: this shows secrets; --file writes them for their owner alone", err=True)
        click.echo(told)
        return
    secret_files.create(file, f"{told}\n")
    held = "secrets, hand it over as you would a password" if handed_over["secrets"] else "public keys and no secret"
    click.echo(f"wrote {file} (readable by its owner alone): it holds {held}")


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
    keys = {
        SECRET: [spelt(key) for key in auth.secrets if isinstance(key, bytes)],
        PUBLIC: [spelt(key.public) for key in auth.secrets if isinstance(key, PrivateKey)],
    }
    used = [prefix for prefix in keys if keys[prefix]]
    example = sign(auth.secrets, "msg_example", int(time.time()), content)
    return {
        "subscription": one.id,
        "url": one.endpoint.url,
        "standard": "Standard Webhooks, https://www.standardwebhooks.com: its libraries verify v1 as it is",
        "algorithm": " or ".join(_ALGORITHMS[prefix] for prefix in used),
        "headers": {"id": "webhook-id", "timestamp": "webhook-timestamp", "signature": "webhook-signature"},
        "secrets": keys[SECRET],
        "public_keys": keys[PUBLIC],
        "key": f"the bytes that the base64 after {' or '.join(used)} stands for",
        "signed": "<webhook-id>.<webhook-timestamp>.<the raw body>",
        "accept": "any signature in the header (parted by spaces), with any of the secrets and public keys",
        "tolerance_seconds": TOLERANCE,
        "example": {**example, "body": content.decode()},
        "check": "feed the example to your verifier, its clock set to the example's timestamp: it must accept it, and "
        "must refuse it with any byte of the body changed",
    }


@secret.command(
    short_help="Change a secret or a key pair without a gap, step by step.",
    epilog="""\b
Examples:
  lmshooks secret rotate config/secrets/crm              # makes config/secrets/crm.next
  lmshooks secret rotate config/secrets/crm --finish     # when the listener's owner has the new one
  lmshooks secret rotate config/secrets/crm --key-pair   # from a secret to a key pair""",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@settings.config_option
@click.option("--finish", is_flag=True, help="The owner has the new secret: it takes the place of the old one.")
@click.option("--key-pair", is_flag=True, help="Begin the change from a secret to a key pair.")
def rotate(file: Path, directory: Path, finish: bool, key_pair: bool) -> None:
    """Change the secret or private key in FILE without a delivery that its listener cannot verify.

    First a new one stands beside the old one and every delivery is signed with both; when the owner verifies with
    the new one, the old one goes. FILE is what a subscription names as {file: ...}. The new one is of the old one's
    kind, or with --key-pair the private key of a pair.

    Exit status: 0 this step is done, 1 it is not (the text says why), 2 usage.
    """
    if finish and key_pair:
        raise click.UsageError("--key-pair is for the beginning of a rotation, --finish for its end: leave one out")
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
        new = secret_files.make_pair() if key_pair or isinstance(old, PrivateKey) else secret_files.make(32)
        secret_files.create_key(upcoming, new)
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
    secret_files.replace_key(file, new)
    kind, left = "secret", f"{upcoming}"
    if isinstance(new, PrivateKey):
        kind, left = "private key", f"{upcoming} {secret_files.public_of(upcoming)}"
    click.echo(f"{file} holds the new {kind} now. What is left to do:")
    click.echo("  1. sign with it alone, in the subscription:")
    click.echo(f"       secrets: [{{file: {named[0]}}}]")
    click.echo(f"  2. then: rm {left}")


def _begin(upcoming: Path, users: list[Subscription], named: tuple[str, str], file: Path, config: str) -> None:
    ids = ", ".join(one.id for one in users)
    click.echo(f"wrote {upcoming} (readable by its owner alone). What is to be done now:")
    click.echo(f"  1. sign with both, in {ids or 'the subscription'}; the daemon takes it at once:")
    click.echo(f"       secrets: [{{file: {named[1]}}}, {{file: {named[0]}}}]")
    click.echo("  2. hand the new one to the listener's owner:")
    of = users[0].id if users else "SUBSCRIPTION_ID"
    click.echo(f"       lmshooks secret export {of}{config} --file for-the-owner.json")
    click.echo("  3. when the owner verifies with it:")
    click.echo(f"       lmshooks secret rotate {file}{config} --finish")


def _key(file: Path) -> SigningKey:
    """The secret or private key in a file; what is said of one that is none never holds it."""
    try:
        return parse_signing_key(file.read_text().strip())
    except BadSecret as error:
        raise click.ClickException(f"{file}: {error}") from None
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{file} cannot be read: {error}") from None


def _keys(one: Subscription) -> tuple[SigningKey, ...]:
    from lmshooks.core.subscriptions import SignatureAuth

    auth = one.endpoint.auth
    return auth.secrets if isinstance(auth, SignatureAuth) else ()


def _users(directory: Path, key: SigningKey) -> list[Subscription]:
    """The subscriptions that sign with this key."""
    configuration = settings.loaded(directory).configuration
    return [one for one in configuration.subscriptions.values() if key in _keys(one)]


def _relative(file: Path, directory: Path) -> str:
    """How the YAML names a file: relative to the folder where it lies in it."""
    whole, folder = os.path.realpath(file), os.path.realpath(directory)
    return os.path.relpath(whole, folder) if whole.startswith(folder + os.sep) else whole
