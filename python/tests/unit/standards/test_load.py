"""Standard documents: what is read, and what is refused, where, and with which hint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wardstack.standards import DocumentErrors, Standards, load_standards

Read = Callable[..., Standards]
Refused = Callable[..., list[str]]


def test_a_document_is_read_with_defaults_and_bounds(read: Read) -> None:
    standards = read()
    clause = standards.clauses["STD-04.1"]
    assert (clause.owner, clause.engines, clause.review_months) == ("hospital_it", ("libvirt",), 18)
    assert clause.requirement == {"en": "Copies.", "zh": "副本。"}
    assert standards.parameters["storage_replicas"].bounds == "3 to 5 copies"
    assert clause.mappings == {"ISO/IEC 27002:2022": ("8.14",)}
    assert clause.applies("libvirt", "small") and not clause.applies("proxmox", "small")


def test_an_unquoted_off_is_the_word_and_not_false(read: Read) -> None:
    assert read().defaults() == {"storage_replicas": 3, "storage_mode": "off"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    proof: machine", "    prof: machine", ["a clause lacks 'proof'", "did you mean 'proof'?"]),
        ("proof: machine", "proof: mashine", ["28:12", "proof of STD-04.1 is 'mashine'; did you mean 'machine'?"]),
        ("owner: hospital_it", "owner: hospital", ["7:10", "did you mean 'hospital_it'?"]),
        ("standard: STD-04", "standard: STD-05", ["2:11", "STD-04, as in the file's name"]),
        ("id: STD-04.1", "id: STD-4.1", ["12:9", "an id such as STD-04.1"]),
        ("zh: 副本。", "cn: 副本。", ["lacks 'zh'", "unknown key 'cn'"]),
        (
            "default: 3",
            "default: 7",
            ["19:18 STD-04.1 the default of parameter storage_replicas is '7'", "3 to 5 copies"],
        ),
        ("default: 3", "default: three", ["is 'three'"]),
        ("default: 3", "default: true", ["is 'true'"]),
        ("min: 3", "min: 6", ["20:14", "min must not exceed max"]),
        ("        min: 3\n", "", ["parameter storage_replicas lacks 'min'"]),
        ("type: integer", "type: number", ["17:15", "known: boolean, choice, integer, list, text"]),
        ("review: P1Y6M", "review: 1 year", ["9:11", "ISO 8601"]),
        ("storage_mode:", "storage_replicas:", ["'storage_replicas' is given twice; first at line 16; keep one"]),
        ("storage_mode:", "Mode:", ["a name is two or more lower-case words"]),
        ("ISO/IEC 27002:2022", "ISO 27002", ["unknown key 'ISO 27002'"]),
        ("[role/ceph]", "[ceph]", ["29:22", "kind/name such as role/ceph"]),
        ("[role/ceph]", "role/ceph", ["write a list"]),
        ("[role/ceph]", "[role/ceph, role/ceph]", ["names 'role/ceph' twice"]),
        ("clauses:\n", "clauses: {}\nclausess:\n", ["unknown key 'clausess'; did you mean 'clauses'?"]),
    ],
)
def test_a_mistake_is_named_with_its_place_and_a_hint(
    problems: Refused, old: str, new: str, expected: list[str]
) -> None:
    found = "\n".join(problems(old, new))
    for part in expected:
        assert part in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &x [1]\nb: *x\n", "1:4  uses the anchor '&x'"),
        ("a: *x\n", "uses the alias '*x'"),
        ("a: !!python/object/apply:os.system [id]\n", "uses the tag"),
        ("a: !vault |\n  secret\n", "uses the tag '!vault'"),
        ("a: 1\n---\nb: 2\n", "2:1  holds a second document"),
        ("? [a]\n: 1\n", "has a list or mapping as a key"),
        ("[" * 40 + "]" * 40 + "\n", "is nested deeper than 32 levels"),
        ("a: [1\n", "is not valid YAML"),
        ("a: 'x\n", "is not valid YAML"),
        ("a:\n\t- b\n", "is not valid YAML"),
        ("a: \x00\n", "is not valid YAML"),
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("just a text\n", "a standard is 'just a text'; write a mapping"),
    ],
)
def test_yaml_that_no_document_needs_is_refused(problems: Refused, text: str, expected: str) -> None:
    assert expected in "\n".join(problems(document=text))


def test_every_mistake_is_reported_at_once_in_the_order_of_lines(problems: Refused, document: str) -> None:
    changed = (
        document.replace("version: 1.0.0", "version: one").replace("min: 3", "min: 9").replace("proof: machine", "")
    )
    found = problems(document=changed)
    assert len(found) >= 4
    lines = [int(line.split(":")[0]) for line in found]
    assert lines == sorted(lines)


def test_a_clause_or_parameter_that_exists_already_is_refused_with_both_places(
    problems: Refused, document: str
) -> None:
    twice = document + document.partition("clauses:\n")[2]
    found = "\n".join(problems(document=twice))
    assert "the clause STD-04.1 exists already; first at" in found
    assert "the parameter storage_replicas exists already; STD-04.1 has it at" in found


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "04-storage.yml").write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(DocumentErrors, match=r"04-storage.yml:2:1: is not UTF-8 text; save the file in UTF-8"):
        load_standards(tmp_path)


def test_a_folder_without_documents_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentErrors, match="holds no standard document"):
        load_standards(tmp_path / "nowhere")
