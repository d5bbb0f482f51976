"""Where does a test have the meta-schema of AsyncAPI from? The project's own package, got by npm into .cache.

No Python package carries it. Where there is no npm, or it gets nothing, the test that needs it is skipped with a line
that says so.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

PACKAGE, VERSION = "@asyncapi/specs", "6.11.1"
SHA256 = "01af8744dc33c0c7eb2e908f6a955319ee58b70ecadc9387d1aeb16c0cd28928"
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "asyncapi"


class NoMetaschema(Exception):
    """It cannot be had on this machine; the text says why."""


def metaschema() -> dict[str, Any]:
    """JSON Schema (draft 7) of an AsyncAPI 3.0.0 document. Raises NoMetaschema."""
    with tarfile.open(_package()) as archive:
        member = archive.extractfile("package/schemas/3.0.0.json")
        assert member is not None
        found: dict[str, Any] = json.load(member)
        return found


def _package() -> Path:
    file = CACHE / f"asyncapi-specs-{VERSION}.tgz"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one of the test processes gets it, the others wait
        if not file.exists():
            _get(file)
        found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != SHA256:
        raise AssertionError(f"{file} has the digest {found}, expected {SHA256}: take it away, so that it is got anew")
    return file


def _get(file: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise NoMetaschema(f"there is no npm to get {PACKAGE} with")
    command = [npm, "pack", "--silent", f"{PACKAGE}@{VERSION}", "--pack-destination", str(CACHE)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=CACHE)
    except subprocess.TimeoutExpired:
        raise NoMetaschema(f"npm did not get {PACKAGE} within 120 s") from None
    if done.returncode or not file.exists():
        raise NoMetaschema(f"npm could not get {PACKAGE} {VERSION}: {(done.stdout + done.stderr)[-500:]}")
