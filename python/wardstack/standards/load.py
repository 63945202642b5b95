"""Read the standard documents of a directory: every problem of every file at once."""

from __future__ import annotations

import re
from pathlib import Path

from wardstack.standards.document import Node, read_document
from wardstack.standards.model import ENGINES, OWNERS, PROOFS, SIZES, SOURCES, Clause, Parameter, Standard, Standards
from wardstack.standards.parameters import NAME, read_parameter
from wardstack.standards.problems import Mark, Problems
from wardstack.standards.reader import Reader

FILE_NAME = re.compile(r"(\d\d)-[a-z0-9-]+\.yml")
_MONTHS = re.compile(r"P(?:(\d{1,2})Y)?(?:(\d{1,3})M)?")
_CLAUSE_KEYS = (
    "id", "requirement", "rationale", "proof", "implemented_by", "verified_by", "mappings",
)  # fmt: skip
_SHARED_KEYS = ("owner", "applies", "review")
"""What a document may say once in `defaults` instead of in each clause."""


def load_standards(directory: Path) -> Standards:
    """Load all documents `NN-name.yml` of a directory.

    Raises:
        DocumentErrors: with everything that is wrong in any of them.
    """
    problems = Problems()
    standards = read_standards(directory, problems)
    problems.raise_any()
    return standards


def read_standards(directory: Path, problems: Problems) -> Standards:
    """As `load_standards`, reporting to `problems` instead of raising."""
    reader = Reader(problems)
    files = sorted(path for path in directory.glob("*.yml") if FILE_NAME.fullmatch(path.name))
    if not files:
        problems.add(
            Mark(str(directory), 1, 1), "holds no standard document", "name the directory with NN-name.yml files"
        )
    documents = []
    for path in files:
        root = read_document(path, problems)
        if root is not None:
            documents.append(_read_document(root, path, reader))
    return _index(documents, problems)


def _index(documents: list[Standard], problems: Problems) -> Standards:
    clauses: dict[str, Clause] = {}
    parameters: dict[str, Parameter] = {}
    for document in documents:
        for clause in document.clauses:
            if clause.id in clauses:
                problems.add(
                    clause.mark,
                    f"the clause {clause.id} exists already",
                    f"first at {clauses[clause.id].mark}; give one another number",
                )
            elif clause.id:
                clauses[clause.id] = clause
            for parameter in clause.parameters:
                if parameter.name in parameters:
                    first = parameters[parameter.name]
                    problems.add(
                        parameter.mark,
                        f"the parameter {parameter.name} exists already",
                        f"{first.clause} has it at {first.mark}; keep one",
                        clause.id,
                    )
                else:
                    parameters[parameter.name] = parameter
    return Standards(tuple(documents), clauses, parameters)


def _read_document(root: Node, path: Path, reader: Reader) -> Standard:
    entries = reader.mapping(root, "a standard", ("standard", "version", "title", "purpose", "clauses"), ("defaults",))
    number = path.name[:2]
    name = reader.text(entries.get("standard"), "standard", rf"STD-{number}", f"STD-{number}, as in the file's name")
    shared = reader.mapping(entries.get("defaults"), "defaults", optional=_SHARED_KEYS)
    return Standard(
        id=name,
        file=str(path),
        version=reader.text(entries.get("version"), "version", r"\d+\.\d+\.\d+", "a version such as 1.0.0"),
        title=reader.bilingual(entries.get("title"), "title"),
        purpose=reader.bilingual(entries.get("purpose"), "purpose"),
        clauses=tuple(
            _read_clause(node, number, shared, reader) for node in reader.items(entries.get("clauses"), "clauses")
        ),
    )


def _read_clause(node: Node, number: str, shared: dict[str, Node], reader: Reader) -> Clause:
    needed = (*_CLAUSE_KEYS, *(key for key in _SHARED_KEYS if key not in shared))
    entries = {**shared, **reader.mapping(node, "a clause", needed, ("parameters", *_SHARED_KEYS))}
    clause = reader.text(entries.get("id"), "id", rf"STD-{number}\.[1-9]\d{{0,2}}", f"an id such as STD-{number}.1")
    name = clause or "a clause"
    applies = reader.mapping(entries.get("applies"), f"applies of {name}", ("engines", "sizes"))
    declared = reader.named(
        entries.get("parameters"),
        f"parameters of {name}",
        lambda key, child: read_parameter(key, clause, child, reader),
        NAME,
        "two or more lower-case words joined by _",
    )
    return Clause(
        id=clause,
        mark=node.mark,
        requirement=reader.bilingual(entries.get("requirement"), f"requirement of {name}"),
        rationale=reader.bilingual(entries.get("rationale"), f"rationale of {name}"),
        owner=reader.choice(entries.get("owner"), f"owner of {name}", OWNERS),
        engines=_chosen(applies.get("engines"), f"engines of {name}", ENGINES, reader),
        sizes=_chosen(applies.get("sizes"), f"sizes of {name}", SIZES, reader),
        parameters=tuple(parameter for _, parameter in declared if parameter is not None),
        proof=reader.choice(entries.get("proof"), f"proof of {name}", PROOFS),
        implemented_by=_names(entries.get("implemented_by"), f"implemented_by of {name}", reader),
        verified_by=_names(entries.get("verified_by"), f"verified_by of {name}", reader),
        review_months=_months(entries.get("review"), f"review of {name}", reader),
        mappings=_mappings(entries.get("mappings"), f"mappings of {name}", reader),
    )


def _chosen(node: Node | None, what: str, choices: tuple[str, ...], reader: Reader) -> tuple[str, ...]:
    return tuple(filter(None, (reader.choice(item, what, choices) for item in reader.items(node, what))))


def _names(node: Node | None, what: str, reader: Reader) -> tuple[str, ...]:
    return reader.texts(node, what, r"[a-z_]+/[A-Za-z0-9_./-]+", "kind/name such as role/ceph")


def _mappings(node: Node | None, what: str, reader: Reader) -> dict[str, tuple[str, ...]]:
    sources = reader.mapping(node, what, optional=SOURCES)
    return {source: reader.texts(child, f"{source} in {what}") for source, child in sources.items()}


def _months(node: Node | None, what: str, reader: Reader) -> int:
    text = reader.text(
        node, what, r"P(\d{1,2}Y(\d{1,3}M)?|\d{1,3}M)", "an ISO 8601 interval of years or months such as P1Y or P6M"
    )
    match = _MONTHS.fullmatch(text)
    return 12 * int(match[1] or 0) + int(match[2] or 0) if match else 0
