"""Traces: which part of a tree names which clause, and how the lists of a document follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from wardstack.standards.traces import Traces, find_traces, rewrite

FILES = {
    "roles/ceph/tasks/main.yml": "tags: [STD-04.1]",
    "roles/ceph/molecule/default/verify.yml": "tags: [STD-04.1]",
    "roles/ceph/README.md": "STD-04.2 is only talked about here",
    "playbooks/preflight.yml": "tags: [STD-04.3]",
    "playbooks/group_vars/all.yml": "rules: [{clause: STD-04.4}]  # STD-04.2",
    "python/wardstack/blueprint/compile.py": '"STD-04.5"',
    "python/tests/e2e/test_up.py": '"""Second run (STD-04.1)."""\nX = "STD-04.2 is data"\n',
    "python/tests/e2e/broken.py": '"""STD-04.3',
}


@pytest.fixture
def traces(tmp_path: Path) -> Traces:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return find_traces(tmp_path)


def test_tasks_and_packages_implement_and_tests_verify(traces: Traces) -> None:
    assert traces.implemented == {
        "STD-04.1": {"role/ceph"},
        "STD-04.3": {"playbook/preflight"},
        "STD-04.4": {"role/firewall"},
        "STD-04.5": {"package/blueprint"},
    }
    assert traces.verified == {
        "STD-04.1": {"molecule/ceph", "test/e2e/test_up.py"},
        "STD-04.3": {"playbook/preflight"},
    }


def test_only_the_lists_change_and_only_once(traces: Traces) -> None:
    text = (
        "clauses:\n  - id: STD-04.1\n    proof: machine\n    implemented_by:\n      - role/old\n"
        "    verified_by: []\n    mappings: {}\n"
    )
    new = rewrite(text, traces)
    assert new == (
        "clauses:\n  - id: STD-04.1\n    proof: machine\n    implemented_by: [role/ceph]\n"
        "    verified_by: [molecule/ceph, test/e2e/test_up.py]\n    mappings: {}\n"
    )
    assert rewrite(new, traces) == new
