"""wardstack_files: what it does to a file system, what it tells, and what it refuses."""

from __future__ import annotations

import getpass
import grp
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

RunModule = Callable[..., dict[str, Any]]


def me(**entry: Any) -> dict[str, Any]:
    """An entry owned by whoever runs the test."""
    return {"owner": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name, **entry}


def files(run_module: RunModule, *entries: dict[str, Any], check: bool = False) -> dict[str, Any]:
    return run_module("wardstack_files", {"files": list(entries)}, check=check)


def test_a_second_run_changes_nothing(run_module: RunModule, tmp_path: Path) -> None:
    entries = [
        me(path=f"{tmp_path}/etc/a.conf", content="a\n", mode="0640"),
        me(path=f"{tmp_path}/dir", state="directory", mode="0700"),
        me(path=f"{tmp_path}/link", state="link", src="dir"),
        me(path=f"{tmp_path}/gone", state="absent"),
    ]
    (tmp_path / "gone").write_text("x")
    first = files(run_module, *entries)
    assert first["changed_paths"] == [entry["path"] for entry in entries]
    assert (tmp_path / "etc/a.conf").read_text() == "a\n"
    assert (tmp_path / "etc/a.conf").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "dir").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "link").readlink() == Path("dir")
    assert not (tmp_path / "gone").exists()
    assert files(run_module, *entries)["changed"] is False
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dir", "etc", "link"], "nothing temporary is left"


def test_check_mode_foresees_and_touches_nothing(run_module: RunModule, tmp_path: Path) -> None:
    entries = [me(path=f"{tmp_path}/new/a.conf", content="a\n"), me(path=f"{tmp_path}/b", state="directory")]
    foreseen = files(run_module, *entries, check=True)
    assert list(tmp_path.iterdir()) == []
    done = files(run_module, *entries)
    assert foreseen["changed_paths"] == done["changed_paths"]
    assert foreseen["diff"] == done["diff"]


def test_check_mode_bears_an_account_that_its_package_will_make(run_module: RunModule, tmp_path: Path) -> None:
    entry = {"path": f"{tmp_path}/a", "content": "a", "owner": "nobody-has-this-name"}
    assert files(run_module, entry, check=True)["changed"] is True
    told = files(run_module, entry)
    assert told["failed"] is True
    assert "there is no user 'nobody-has-this-name'" in told["msg"]


def test_a_secret_is_in_no_output(run_module: RunModule, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("the old secret words")
    told = files(run_module, me(path=str(path), content="the new secret words", mode="0400", secret=True))
    assert "secret words" not in json.dumps(told)
    assert "(secret, changed)" in told["diff"][0]["after"]
    refused = files(
        run_module, me(path=str(path), content="newer secret words", secret=True, validate="grep absent %s")
    )
    assert refused["failed"] is True
    assert "secret words" not in json.dumps(refused)


def test_content_that_its_own_program_refuses_never_takes_effect(run_module: RunModule, tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("good\n")
    for check in (True, False):
        told = files(run_module, me(path=str(path), content="bad\n", validate="grep -q good %s"), check=check)
        assert told["failed"] is True
        assert str(path) in told["msg"]
    assert path.read_text() == "good\n"
    assert [one.name for one in tmp_path.iterdir()] == ["a.conf"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"path": "relative", "content": ""}, "must be absolute"),
        ({"path": "{}/a/../b", "content": ""}, "must be absolute and plain"),
        ({"path": "{}/full", "content": ""}, "is a directory, but a file is wanted"),
        ({"path": "{}/full", "state": "absent"}, "is a directory with content"),
        ({"path": "{}/file", "state": "directory"}, "is a file, but a directory is wanted"),
        ({"path": "{}/file/below", "content": ""}, "is a file, not a directory"),
        ({"path": "{}/a", "content": "", "mode": "420"}, "quote it"),
        ({"path": "{}/pipe", "content": ""}, "is a device, socket or pipe"),
    ],
)
def test_the_impossible_is_refused_before_anything_changes(
    run_module: RunModule, tmp_path: Path, entry: dict[str, Any], words: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/content").write_text("precious")
    (tmp_path / "file").write_text("precious")
    os.mkfifo(tmp_path / "pipe")
    bad = {**entry, "path": entry["path"].format(tmp_path)}
    told = files(run_module, me(path=f"{tmp_path}/first", content="x"), me(**bad))
    assert told["failed"] is True
    assert words in told["msg"]
    assert not (tmp_path / "first").exists()
    assert (tmp_path / "full/content").read_text() == "precious"


def test_a_path_given_twice_is_a_mistake(run_module: RunModule, tmp_path: Path) -> None:
    one = me(path=f"{tmp_path}/a", content="x")
    assert "given twice" in files(run_module, one, one)["msg"]


def test_a_directory_goes_with_what_goes_before_it(run_module: RunModule, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old/a").write_text("x")
    gone = [me(path=f"{tmp_path}/old/a", state="absent"), me(path=f"{tmp_path}/old", state="absent")]
    assert files(run_module, *gone)["changed"] is True
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_place_of_a_file_is_replaced_and_its_target_kept(run_module: RunModule, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "resolv.conf").symlink_to("target")
    assert files(run_module, me(path=f"{tmp_path}/resolv.conf", content="new"))["changed"] is True
    assert not (tmp_path / "resolv.conf").is_symlink()
    assert (tmp_path / "target").read_text() == "precious"


def test_only_the_mode_differs(run_module: RunModule, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("same")
    path.chmod(0o600)
    inode = path.stat().st_ino
    told = files(run_module, me(path=str(path), content="same", mode="0644"))
    assert told["changed"] is True
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.stat().st_ino == inode, "the content was not written again"


def test_what_a_killed_run_left_is_swept_away(run_module: RunModule, tmp_path: Path) -> None:
    (tmp_path / ".wardstack-abc").mkdir()
    (tmp_path / ".wardstack-abc/a").write_text("half")
    files(run_module, me(path=f"{tmp_path}/a", content="whole"))
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.text(), after=st.text())
def test_any_text_is_stored_as_given(run_module: RunModule, tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(before.encode("utf-8", "surrogatepass") if before.isprintable() else b"\xff\x00")
    files(run_module, me(path=str(path), content=after))
    assert path.read_bytes() == after.encode()
    assert files(run_module, me(path=str(path), content=after))["changed"] is False
