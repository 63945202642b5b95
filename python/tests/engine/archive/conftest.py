"""A real archive on loopback, in a network of the tests' own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.archive.rig import Archive, own_network


@pytest.fixture(scope="session", autouse=True)
def machine_network() -> Iterator[Path]:
    """Fixed ports and no way out: Debian's Orthanc has no setting for the address it binds."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    with own_network() as outside:
        yield outside


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    node = Archive(tmp_path_factory.mktemp("archive"))
    try:
        node.start()
        yield node
    finally:
        node.stop()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"
