"""The standards that we ship: complete, honest about what carries them, and valid by the published schema."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from wardstack.standards import Standards, load_standards

ROOT = Path(__file__).resolve().parents[4]
STANDARDS = ROOT / "docs" / "standards"
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


def test_each_clause_has_somebody_who_carries_it_out_and_something_that_looks(standards: Standards) -> None:
    orphans = [c.id for c in standards.clauses.values() if not c.implemented_by or not c.verified_by]
    assert not orphans


def test_what_a_clause_names_exists(standards: Standards) -> None:
    places = {
        "role": "roles/{}",
        "molecule": "roles/{}/molecule/default/verify.yml",
        "playbook": "playbooks/{}.yml",
        "package": "python/wardstack/{}",
        "module": "python/wardstack/ansible/modules/{}.py",
        "test": "python/tests/{}",
        "document": "{}",
    }
    missing = []
    for clause in standards.clauses.values():
        for name in (*clause.implemented_by, *clause.verified_by):
            kind, _, rest = name.partition("/")
            if kind not in places or not (ROOT / places[kind].format(rest)).exists():
                missing.append(f"{clause.id}: {name}")
    assert not missing


def test_clause_ids_used_in_the_tree_exist(standards: Standards) -> None:
    unknown = []
    for folder in ("roles", "playbooks", "python/wardstack"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".yml", ".yaml", ".py", ".j2", ".sh", ".md") and path.is_file():
                for found in re.findall(r"STD-\d\d\.\d+", path.read_text(encoding="utf-8", errors="replace")):
                    if found not in standards.clauses:
                        unknown.append(f"{path.relative_to(ROOT)}: {found}")
    assert not unknown
