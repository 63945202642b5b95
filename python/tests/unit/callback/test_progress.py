"""What a run of Ansible prints: steps, truth about changes, failures in full, and never a secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardstack.progress import durations
from wardstack.progress.screen import clock, fit, width

HOME = Path(__file__).resolve().parents[4]
PLAYBOOK = """---
- name: Things to do
  hosts: all
  gather_facts: false
  tasks:
    - name: Keep a secret
      ansible.builtin.command: echo HIDDENWORD
      no_log: true
      changed_when: false
    - name: Change a file
      ansible.builtin.copy: {content: x, dest: "DEST", mode: "0644"}
    - name: Break
      ansible.builtin.command: sh -c "echo the reason >&2; exit 7"
      when: broken | default(false)
    - name: Break with a secret
      ansible.builtin.command: sh -c "echo HIDDENWORD; exit 7"
      no_log: true
      when: secret | default(false)
"""


def play(tmp_path: Path, *options: str) -> tuple[int, str]:
    playbook = tmp_path / "site.yml"
    playbook.write_text(PLAYBOOK.replace("DEST", str(tmp_path / "made")))
    words = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i",
        "localhost,",
        "-c",
        "local",
        *options,
        str(playbook),
    ]
    env = {
        **os.environ,
        "WARDSTACK_CACHE": str(tmp_path / "cache"),
        "ANSIBLE_CONFIG": str(HOME / "ansible.cfg"),
        "LC_ALL": "C.UTF-8",
    }
    env["ANSIBLE_PYTHON_INTERPRETER"] = sys.executable
    done = subprocess.run(words, cwd=HOME, env=env, text=True, capture_output=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_run_from_first_to_last(tmp_path: Path) -> None:
    code, told = play(tmp_path, "--check")
    assert code == 0
    assert "site.yml: 1 would be changed (localhost 1)" in told
    code, told = play(tmp_path)
    assert code == 0
    assert "first run" in told
    assert "Change a file: localhost changed" in told
    assert "site.yml: 1 changed (localhost 1), 2 steps" in told
    code, told = play(tmp_path)
    assert "site.yml: nothing changed, 2 steps" in told
    assert "left" in told
    code, told = play(tmp_path, "-e", '{"broken": true}')
    assert code == 2
    assert "localhost failed: Break" in told
    assert f"{tmp_path}/site.yml:12" in told
    assert "the reason" in told
    assert "exit code 7" in told
    assert "FAILED on localhost" in told
    code, told = play(tmp_path, "-e", '{"secret": true}', "-vvv")
    assert code == 2
    assert "HIDDENWORD" not in told
    assert "may hold secrets" in told
    run = json.loads((tmp_path / "cache/runs/localhost-site.run.json").read_text())
    assert run["complete"] is False
    assert [step["name"] for step in run["steps"]] == ["Keep a secret", "Change a file", "Break with a secret"]
    assert "HIDDENWORD" not in json.dumps(run)


steps = st.dictionaries(
    st.text("abc", min_size=1),
    st.fixed_dictionaries({}, optional={kind: st.floats(0, 1e4) for kind in durations.KINDS}),
)


@given(steps, st.booleans(), st.data())
def test_the_rest_shrinks_as_steps_end(known: dict[str, dict[str, float]], changing: bool, data: st.DataObject) -> None:
    table = durations.Durations(known)
    done: list[str] = []
    before = table.remaining(done, None, 0.0, changing)
    for step in data.draw(st.permutations(sorted(known))):
        during = table.remaining(done, step, 1.0, changing)
        assert 0 <= during <= before + 1e-6
        done.append(step)
        before = table.remaining(done, None, 0.0, changing)
        assert before <= during + 1.0 + 1e-6
    assert before == pytest.approx(0.0)


def test_durations_survive_damage(tmp_path: Path) -> None:
    path = tmp_path / "a" / "x.json"
    table = durations.Durations()
    table.note("a", 1.234, changed=True)
    table.save(path)
    assert durations.load(path).steps == {"a": {"changed": 1.23}}
    for damage in ("", "{}", '{"steps": 3}', '{"steps": {"a": {"changed": "x"}}}', '{"steps": {"a": 1}}'):
        path.write_text(damage)
        assert not durations.load(path)


def test_times_and_widths_for_people() -> None:
    assert [clock(0), clock(65.4), clock(3723)] == ["0:00", "1:05", "1:02:03"]
    assert fit("abcdef", 4) == "abc…"
    assert fit("内置实验室", 7) == "内置实…"
    assert width("内a") == 3
