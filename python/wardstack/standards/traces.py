"""Which parts of the tree name which clause: what `implemented_by` and `verified_by` must say, no more and no less.

A part names a clause by its id: a tag of a task, a Python docstring, or a Python text that is nothing but the id. An
id in the middle of another text (an example in a hint, a fragment of test data) says nothing. Run as
``python -m wardstack.standards.traces`` to see the difference, with ``--write`` to bring the documents up to date.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ID = re.compile(r"STD-\d\d\.\d+")
_READABLE = (".yml", ".yaml", ".py", ".sh", ".j2")
_LINE = 118
_PLAYBOOKS_THAT_VERIFY = ("preflight", "verify")
"""Preflight also carries its clauses out: it is what stands between a lack and the first change."""
_PACKAGES_THAT_VERIFY = ("archive", "evidence")
_PACKAGES = ("standards", "site", "blueprint", "placement", "engines", "plan", "lab", "archive", "evidence", "publish")
_SHARED_SCENARIO = ".config/molecule/config.yml"


@dataclass(slots=True)
class Traces:
    """Names of parts by clause id."""

    implemented: dict[str, set[str]] = field(default_factory=dict)
    verified: dict[str, set[str]] = field(default_factory=dict)

    def add(self, path: Path, name: str, *, implements: bool = False, verifies: bool = False) -> None:
        """Record every clause that the file names under the part's name."""
        text = path.read_text(encoding="utf-8", errors="replace")
        for clause in _named_in_python(text) if path.suffix == ".py" else set(ID.findall(text)):
            if implements:
                self.implemented.setdefault(clause, set()).add(name)
            if verifies:
                self.verified.setdefault(clause, set()).add(name)


def find_traces(root: Path) -> Traces:
    """Read roles, playbooks, packages and tests below the root of the repository."""
    traces = Traces()
    for role in sorted(path for path in (root / "roles").glob("*") if path.is_dir()):
        for path in _files(role / "tasks"):
            traces.add(path, f"role/{role.name}", implements=True)
        for path in _files(role / "molecule"):
            traces.add(path, f"molecule/{role.name}", verifies=True)
    for path in sorted((root / "playbooks").glob("*.yml")):
        implements, verifies = path.stem != "verify", path.stem in _PLAYBOOKS_THAT_VERIFY
        traces.add(path, f"playbook/{path.stem}", implements=implements, verifies=verifies)
    for path in _files(root / "playbooks" / "group_vars"):
        _add_openings(traces, path)
    python = root / "python" / "wardstack"
    for package in _PACKAGES:
        verifies = package in _PACKAGES_THAT_VERIFY
        for path in _files(python / package):
            traces.add(path, f"package/{package}", implements=not verifies, verifies=verifies)
    for path in _files(python / "ansible" / "modules"):
        verifies = path.stem.endswith("_verify")
        traces.add(path, f"module/{path.stem}", implements=not verifies, verifies=verifies)
    for path in _files(root / "python" / "tests"):
        traces.add(path, f"test/{path.relative_to(root / 'python' / 'tests').as_posix()}", verifies=True)
    if (root / _SHARED_SCENARIO).exists():
        traces.add(root / _SHARED_SCENARIO, f"file/{_SHARED_SCENARIO}", verifies=True)
    return traces


def rewrite(text: str, traces: Traces) -> str:
    """Bring the two lists of every clause of a document up to date; nothing else of its text changes."""
    parts = re.split(r"(?m)^(?=  - id: )", text)
    return parts[0] + "".join(_rewrite_clause(part, traces) for part in parts[1:])


def _rewrite_clause(text: str, traces: Traces) -> str:
    found = ID.search(text)
    clause = found[0] if found else ""
    for key, names in (("implemented_by", traces.implemented), ("verified_by", traces.verified)):
        # No name holds a backslash, so the list is safe as a replacement.
        block = _list(key, sorted(names.get(clause, ())))
        text = re.sub(rf"(?m)^    {key}:.*\n(?:      - .*\n)*", block, text, count=1)
    return text


def _list(key: str, names: list[str]) -> str:
    line = f"    {key}: [{', '.join(names)}]\n"
    if len(line) <= _LINE:
        return line
    return f"    {key}:\n" + "".join(f"      - {name}\n" for name in names)


def _named_in_python(text: str) -> set[str]:
    """Ids in docstrings, and texts that are an id."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return set()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.update(ID.findall(ast.get_docstring(node) or ""))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and ID.fullmatch(node.value):
            found.add(node.value)
    return found


def _add_openings(traces: Traces, path: Path) -> None:
    """A port that is opened names the clause that opens it; the firewall carries it out."""
    for clause in re.findall(r"clause: (STD-\d\d\.\d+)", path.read_text(encoding="utf-8")):
        traces.implemented.setdefault(clause, set()).add("role/firewall")


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in _READABLE)


def main(arguments: list[str]) -> int:
    """Compare or rewrite the documents of this repository.

    Returns:
        1 when a document differs and was not rewritten.
    """
    root = Path(__file__).resolve().parents[3]
    traces = find_traces(root)
    stale = False
    for path in sorted((root / "docs" / "standards").glob("[0-9][0-9]-*.yml")):
        text = path.read_text(encoding="utf-8")
        new = rewrite(text, traces)
        if new == text:
            continue
        if "--write" in arguments:
            path.write_text(new, encoding="utf-8")
        else:
            stale = True
        sys.stdout.write(f"{path.relative_to(root)}: {'rewritten' if '--write' in arguments else 'not up to date'}\n")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
