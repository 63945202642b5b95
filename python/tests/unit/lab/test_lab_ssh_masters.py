"""Shared ssh connections end with the lab; that living ones do is seen in tests/e2e."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from wardstack.lab import ssh_masters


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def test_what_a_killed_connection_left_is_removed_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_masters, "RUN", tmp_path)
    bind(tmp_path / "ws-lab-1")
    bind(tmp_path / "other-1")
    ssh_masters.close_masters("ws-lab-")
    assert [path.name for path in tmp_path.iterdir()] == ["other-1"]
