"""How does a shell complete commands, options, subscription ids and event names? By a script that asks lmshooks."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(
    epilog="""\b
Examples:
  eval "$(lmshooks completion bash)"                               # this shell; in ~/.bashrc, every one
  lmshooks completion zsh > "${fpath[1]}/_lmshooks"
  lmshooks completion fish > ~/.config/fish/completions/lmshooks.fish"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script with which a shell completes lmshooks, subscription ids and event names included.

    Exit status: 0 printed, 2 usage.
    """
    from lmshooks.cli import group

    made = get_completion_class(shell)
    assert made is not None, "click knows all of the choices"
    click.echo(made(group, {}, "lmshooks", "_LMSHOOKS_COMPLETE").source())
