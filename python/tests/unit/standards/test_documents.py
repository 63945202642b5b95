"""The standards that we ship: complete, honest about what carries them, and valid by the published schema."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from wardstack.standards import Standards, load_standards
from wardstack.standards.traces import find_traces, rewrite

ROOT = Path(__file__).resolve().parents[4]
STANDARDS = ROOT / "docs" / "standards"
READERS = ("site", "blueprint", "placement", "engines", "plan", "archive", "ansible", "lab")
FILES = sorted(STANDARDS.glob("[0-9][0-9]-*.yml"))


@pytest.fixture(scope="module")
def standards() -> Standards:
    return load_standards(STANDARDS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_document_is_valid_by_the_schema(path: Path) -> None:
    schema = json.loads((STANDARDS / "schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), schema)


def test_clauses_are_numbered_without_a_gap(standards: Standards) -> None:
    for document in standards.documents:
        numbers = [int(clause.id.partition(".")[2]) for clause in document.clauses]
        assert numbers == list(range(1, len(numbers) + 1)), document.id


# Clauses that nobody carries out or proves yet, and what is missing. Closing a gap must remove its line: the test
# holds both ways. (Numbers without their prefix: a whole id in a test would count as its proof.)
OPEN = {
    "05.6": "no playbook drills failures yet",
    "10.5": "a run does not record the version that it carried out",
}


def test_each_clause_has_somebody_who_carries_it_out_and_something_that_looks(standards: Standards) -> None:
    orphans = [c.id for c in standards.clauses.values() if not c.implemented_by or not c.verified_by]
    assert orphans == [f"STD-{number}" for number in OPEN]


def test_what_a_clause_names_exists(standards: Standards) -> None:
    places = {
        "role": "roles/{}",
        "molecule": "roles/{}/molecule/default/verify.yml",
        "playbook": "playbooks/{}.yml",
        "package": "python/wardstack/{}",
        "module": "python/wardstack/ansible/modules/{}.py",
        "test": "python/tests/{}",
        "file": "{}",
    }
    missing = []
    for clause in standards.clauses.values():
        for name in (*clause.implemented_by, *clause.verified_by):
            kind, _, rest = name.partition("/")
            if kind not in places or not (ROOT / places[kind].format(rest)).exists():
                missing.append(f"{clause.id}: {name}")
    assert not missing


def test_every_part_that_names_a_clause_names_one_that_exists(standards: Standards) -> None:
    traces = find_traces(ROOT)
    named = {**traces.implemented, **traces.verified}
    assert {clause: sorted(names) for clause, names in named.items() if clause not in standards.clauses} == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_lists_of_a_clause_are_what_the_tree_says(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert rewrite(text, find_traces(ROOT)) == text, "run: python -m wardstack.standards.traces --write"


def test_every_parameter_is_read_by_something(standards: Standards) -> None:
    folders = ("playbooks", "roles", *(f"python/wardstack/{name}" for name in READERS))
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".yml", ".py", ".j2")]
    text = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in files)
    words = set(re.findall(r"[a-z][a-z0-9_]+", text))
    assert sorted(set(standards.parameters) - words) == []
