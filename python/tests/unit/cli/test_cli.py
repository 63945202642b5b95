"""The command line: what it refuses, with which words and exit code; what it shows."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from wardstack import cli_playbook, cli_site, cli_status
from wardstack.cli import app
from wardstack.cli_errors import Exit, Refusal
from wardstack.cli_site import HOME, open_site

VERBS = ("up", "down", "status", "plan", "test", "lab", "archive", "migrate", "drain", "undrain")


def call(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done.exit_code, done.output


def test_help_names_every_verb_and_exit_code() -> None:
    code, told = call("--help")
    assert code == 0
    for verb in VERBS:
        assert f" {verb} " in told
    for meaning in ("0 done", "1 a step", "130 interrupted"):
        assert meaning in " ".join(told.split())


@pytest.mark.parametrize("verb", ["migrate.yml", "drain.yml", "undrain.yml", "site.yml", "status.yml", "verify.yml"])
def test_the_playbook_of_each_verb_exists(verb: str) -> None:
    assert (HOME / "playbooks" / verb).is_file()


@pytest.mark.parametrize(("words", "read"), [((), None), (("--all",), "all")])
def test_verify_reads_back_what_it_is_asked_to(
    words: tuple[str, ...], read: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Any] = []
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(cli_playbook, "run", lambda opened, playbook, **variables: ran.append((playbook, variables)))
    assert call("archive", "verify", *words)[0] == 0
    assert ran == [("verify.yml", {"verify_read": read})]


def test_an_unknown_site_names_those_there_are() -> None:
    code, told = call("plan", "--site", "nowhere")
    assert code == Exit.USAGE
    assert "lab" in told


def test_wrong_documents_are_told_by_file_and_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(HOME / "inventories" / "lab", tmp_path / "inventories" / "lab")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "standards").symlink_to(HOME / "docs" / "standards")
    site = tmp_path / "inventories" / "lab" / "site.yml"
    site.write_text(site.read_text().replace("engine: libvirt", "engine: libvirtt"))
    monkeypatch.setattr(cli_site, "HOME", tmp_path)
    code, told = call("plan")
    assert code == Exit.DOCUMENTS
    assert "site.yml:" in told
    assert "nothing was changed" in told


def test_a_hospital_is_not_taken_down() -> None:
    for words in (("down",), ("lab", "power", "off", "h1")):
        code, told = call(*words, "--site", "example-hospital")
        assert code == Exit.USAGE
        assert "hospital's own site" in told


def test_a_user_is_told_to_use_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for words in (("up",), ("down",), ("test",), ("status",)):
        code, told = call(*words)
        assert code == Exit.IMPOSSIBLE
        assert "sudo ./wardstack" in told


def test_hosts_are_chosen_for_labs_only() -> None:
    code, told = call("plan", "--site", "example-hospital", "--hosts", "vm")
    assert code == Exit.USAGE
    assert "--hosts is for the embedded lab" in told


def test_an_unknown_host_names_those_there_are() -> None:
    with pytest.raises(Refusal, match="h1, h2, h3"):
        open_site("lab").known_host("h9")


def hold(cache: str, ready: Event, over: Event) -> None:
    """Hold the lock of the lab until told otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WARDSTACK_CACHE", cache)
        with cli_playbook.one_run_at_a_time(open_site("lab")):
            ready.set()
            over.wait(30)


def test_two_runs_at_once_are_refused_and_a_killed_one_is_not_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARDSTACK_CACHE", str(tmp_path))
    monkeypatch.setattr(cli_playbook, "PATIENCE", 0.6)
    context = multiprocessing.get_context("spawn")
    ready, over = context.Event(), context.Event()
    other = context.Process(target=hold, args=(str(tmp_path), ready, over))
    other.start()
    assert ready.wait(30)
    held = pytest.raises(Refusal, match=f"another run .*process {other.pid}")
    with held, cli_playbook.one_run_at_a_time(open_site("lab")):
        pass
    other.kill()
    other.join(10)
    with cli_playbook.one_run_at_a_time(open_site("lab")):
        pass


def test_a_playbook_that_fails_quietly_is_heard(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_playbook, "command", lambda *words, **variables: ["sh", "-c", "echo why; exit 2"])
    with pytest.raises(subprocess.CalledProcessError):
        cli_playbook.run(open_site("lab"), "x.yml", quiet=True)
    assert "why" in capfd.readouterr().err


def test_variables_reach_the_playbook_as_data() -> None:
    words = cli_playbook.command(open_site("lab"), "migrate.yml", vm="a1; rm -rf /", host=None)
    assert words[words.index("--extra-vars") + 1] == '{"vm": "a1; rm -rf /"}'


STORAGE = {
    "health": "HEALTH_WARN", "warnings": ["1 osds down"], "monitors": 3, "quorum": ["h1", "h2"], "osds": 3,
    "osds_up": 2,
    "bytes_used": 2**30, "bytes": 24 * 2**30,
}  # fmt: skip
CLUSTER = {
    "quorum": True,
    "nodes": {"pve1": "online", "pve2": "standby"},
    "resources": {
        "vm-a1": {"role": "Started", "node": "pve1", "failed": False},
        "fence": {"role": "", "node": "", "failed": True},
    },
}
NODE = {"services": {"orthanc.service": "active", "etcd.service": "failed"}, "failed_units": [], "database": "primary"}


def machines(opened: cli_site.OpenedSite) -> dict[str, dict[str, Any]]:
    hosts = [host.name for host in opened.site.hosts]
    told: dict[str, dict[str, Any]] = {name: {"unreachable": True} for name in hosts[1:]}
    told[hosts[0]] = {"failed_units": ["x.service"], "storage": STORAGE, "cluster": CLUSTER}
    told["a1"] = {**NODE, "addresses": [opened.site.floating_address]}
    return told


def test_the_screen_shows_what_is_wrong() -> None:
    opened = open_site("example-hospital")
    text = cli_status.screen(opened, machines(opened))
    for words in (
        "answers, x.service failed", "does not answer",
        "HEALTH_WARN, monitors h1 h2 of 3, disks 2 of 3 up, 1.0 of 24.0 GiB",
        "1 osds down", "pve2 standby", "fence has failed", "on pve1, database primary, etcd.service failed, holds",
        "on nowhere, does not answer", f"@{opened.site.floating_address}:",
    ):  # fmt: skip
        assert words in text


def test_a_view_with_quorum_is_believed_first() -> None:
    lost = {**CLUSTER, "quorum": False, "nodes": {"pve1": "offline"}}
    seen = {"h1": {"cluster": lost}, "h2": {"cluster": CLUSTER}}
    assert cli_status.first(seen, "cluster") == CLUSTER
    assert cli_status.first({}, "cluster") is None
