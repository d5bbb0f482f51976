"""Is the daemon's address read as the models would, and left to them where it is not plain?"""

from __future__ import annotations

from pathlib import Path

import pytest

from lmshooks.config import ConfigurationMistakes, load_daemon
from lmshooks.config.address import admin_address

KAFKA = "kafka: {bootstrap_servers: 'localhost:9092', topics: [lms.events]}\n"


@pytest.mark.parametrize(
    "admin", ["", "admin:\n", "admin: {port: 0}", "admin: {host: '::'}", "admin:\n  host: a.b\n  port: 9401 # ours\n"]
)
def test_it_is_what_the_models_say(admin: str, tmp_path: Path) -> None:
    (tmp_path / "daemon.yaml").write_text(KAFKA + admin)
    admin_of = load_daemon(tmp_path, {}).admin
    assert admin_address(tmp_path) in ((admin_of.host, admin_of.port), None)
    assert (admin_address(tmp_path) is None) == (admin == "admin:\n")


@pytest.mark.parametrize(
    "admin", ["admn: {port: 1}", "admin: 1", "admin: {prt: 1}", "admin: {port: '1'}", "admin: {host: 1}", "admin: ["]
)
def test_what_is_wrong_is_left_to_the_models(admin: str, tmp_path: Path) -> None:
    (tmp_path / "daemon.yaml").write_text(KAFKA + admin)
    assert admin_address(tmp_path) is None
    with pytest.raises(ConfigurationMistakes):
        load_daemon(tmp_path, {})


def test_no_file_is_left_to_the_models(tmp_path: Path) -> None:
    assert admin_address(tmp_path) is None
