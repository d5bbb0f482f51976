"""Which files are the contracts? Every document by its path under docs/contracts, as text.

`python -m lmshooks.contracts` writes them; tests/contracts holds what is written to the code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from lmshooks.contracts import schemas
from lmshooks.contracts.asyncapi import asyncapi, component
from lmshooks.contracts.lines import lines
from lmshooks.contracts.openapi import openapi
from lmshooks.core.catalogue import CATALOGUE

SUFFIX = ".schema.json"


def documents() -> dict[str, str]:
    """Path, relative to the folder of the contracts, -> text."""
    made = {"asyncapi.yaml": _yaml(asyncapi()), "openapi.yaml": _yaml(openapi())}
    made[f"lines{SUFFIX}"] = schemas.as_text(lines())
    for kind in schemas.KINDS:
        made[f"{kind}/any{SUFFIX}"] = schemas.text(kind)
        made |= {f"{kind}/{component(name)}{SUFFIX}": schemas.text(kind, name) for name in CATALOGUE}
    return made


def write(folder: Path) -> int:
    """Write every document, take away what is none any more; how many files differ from before."""
    made, changed = documents(), 0
    for path, text in made.items():
        file = folder / path
        if not file.is_file() or file.read_text() != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            changed += 1
    for file in folder.rglob(f"*{SUFFIX}"):
        if file.relative_to(folder).as_posix() not in made:
            file.unlink()
            changed += 1
    return changed


class _Dumper(yaml.SafeDumper):
    """Values that come up twice are written twice: an anchor means nothing to a reader of a contract."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _yaml(value: dict[str, Any]) -> str:
    head = "# Made by `python -m lmshooks.contracts` from the code: change it there.\n"
    return head + yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
