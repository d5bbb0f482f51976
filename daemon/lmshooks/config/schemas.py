"""Which JSON Schema has a kind of file? Made from the models; draft 2020-12.

`python -m lmshooks.config.schemas FOLDER` writes them all (the repository's are in docs/schemas/).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lmshooks.config import conditions
from lmshooks.config.daemon import Daemon
from lmshooks.config.outline import Section
from lmshooks.config.subscriptions import Subscriptions

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILES: dict[str, type[Section]] = {"daemon": Daemon, "subscriptions": Subscriptions}
"""What a schema is called -> the model of the file."""


def schema(name: str) -> dict[str, Any]:
    """The schema of a kind of file, as a JSON object."""
    drawn = FILES[name].model_json_schema()
    if name == "subscriptions":
        # A filter holds filters: pydantic draws only what is a model, so the definition comes in here.
        drawn["$defs"]["Filter"] = conditions.SCHEMA
        drawn["$defs"]["Entry"]["properties"]["filter"] |= {"$ref": "#/$defs/Filter"}
    return {"$schema": DIALECT, "title": f"lmshooks: {name}"} | {key: drawn[key] for key in drawn if key != "title"}


def text(name: str) -> str:
    """The same, as a file holds it."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


def write(folder: Path) -> None:
    """Write every schema to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / f"{name}.schema.json").write_text(text(name))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
