"""YAML with the place of every value, and nothing of YAML that a document does not need.

Built on the parser's events instead of a loader: anchors, aliases (with which a small file grows without bound),
tags (which make objects), several documents in a file and keys given twice are refused, each with its place.
Scalars follow Ansible's YAML 1.1, except that dates stay texts and only decimal numbers are numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wardstack.standards.problems import Mark, Problems

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 32

Scalar = bool | int | float | str | None
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]{0,17})")
_NUMERIC = frozenset("+-0123456789")
_FLOAT = re.compile(r"[-+]?[0-9]{1,17}\.[0-9]{1,17}")


@dataclass(slots=True)
class Node:
    """A value and its place. `text` is what the file says, for a scalar."""

    mark: Mark
    value: Scalar | list[Node] | dict[str, Node]
    text: str = ""
    keys: dict[str, Mark] | None = None
    """Places of a mapping's keys."""

    @property
    def kind(self) -> str:
        """What a person would call it."""
        names = {
            bool: "true/false",
            int: "a number",
            float: "a number",
            str: "a text",
            list: "a list",
            dict: "a mapping",
        }
        return names.get(type(self.value), "nothing")

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def read_document(path: Path, problems: Problems) -> Node | None:
    """Read one YAML file.

    Returns:
        The root, or None when the file cannot be read as YAML at all (then problems has the reason).
    """
    start = Mark(str(path), 1, 1)
    try:
        raw = path.read_bytes()
    except OSError as error:
        problems.add(start, f"cannot be read: {error.strerror}", "check the path and its permissions")
        return None
    return parse_document(raw, str(path), problems)


def parse_document(raw: bytes, file: str, problems: Problems) -> Node | None:
    """Parse the bytes of a file; as `read_document`."""
    start = Mark(file, 1, 1)
    if len(raw) > MAX_BYTES:
        problems.add(start, f"is larger than {MAX_BYTES // 2**20} MiB", "split it")
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problems.add(Mark(file, line, 1), "is not UTF-8 text", "save the file in UTF-8")
        return None
    builder = _Builder(file, problems)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except _Refused:
        return None
    except yaml.YAMLError as error:
        problems.add(
            _error_mark(error, text, file), f"is not valid YAML: {_error_text(error)}", "check indentation and quotes"
        )
        return None
    if builder.root is None:
        problems.add(start, "is empty", "write the document or remove the file")
    return builder.root


class _Refused(Exception):
    """The rest of the file makes no sense after this."""


@dataclass(slots=True)
class _Open:
    """A collection that is being read."""

    node: Node
    key: str | None = None
    key_mark: Mark | None = None


class _Builder:
    """Builds the tree from events without recursion, so that depth cannot exhaust the stack."""

    def __init__(self, file: str, problems: Problems) -> None:
        self.root: Node | None = None
        self._file = file
        self._problems = problems
        self._open: list[_Open] = []
        self._documents = 0

    def take(self, event: Any) -> None:
        kind = type(event)
        if kind in (yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent):
            self._start(event, kind, self._mark(event))
        elif kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
            self._open.pop()
        elif kind is yaml.AliasEvent:
            self._refuse(self._mark(event), f"uses the alias '*{event.anchor}'", "write the value out")
        elif kind is yaml.DocumentStartEvent:
            self._documents += 1
            if self._documents > 1:
                self._refuse(self._mark(event), "holds a second document ('---')", "one document per file")

    def _mark(self, event: Any) -> Mark:
        place = event.start_mark
        return Mark(self._file, place.line + 1, place.column + 1)

    def _start(self, event: Any, kind: type, mark: Mark) -> None:
        if event.anchor is not None:
            self._refuse(mark, f"uses the anchor '&{event.anchor}'", "write the value out where it is needed")
        if event.tag not in (None, "!"):
            self._refuse(
                mark,
                f"uses the tag '{event.tag}'",
                "tags are not allowed; secrets belong into the site's state directory",
            )
        if kind is yaml.ScalarEvent:
            value = event.value if event.style else _resolve(event.value)
            self._place(Node(mark, value, event.value), scalar=True)
            return
        if len(self._open) >= MAX_DEPTH:
            self._refuse(mark, f"is nested deeper than {MAX_DEPTH} levels", "")
        node = Node(mark, {}, keys={}) if kind is yaml.MappingStartEvent else Node(mark, [])
        self._place(node, scalar=False)
        self._open.append(_Open(node))

    def _place(self, node: Node, *, scalar: bool) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if isinstance(parent.node.value, list):
            parent.node.value.append(node)
        elif parent.key is None:
            if not scalar:
                self._refuse(node.mark, "has a list or mapping as a key", "keys are plain words")
            parent.key, parent.key_mark = node.text, node.mark
        else:
            self._add(parent, node)

    def _add(self, parent: _Open, node: Node) -> None:
        entries, keys = parent.node.value, parent.node.keys
        assert isinstance(entries, dict) and keys is not None and parent.key is not None and parent.key_mark is not None
        if parent.key in entries:
            self._problems.add(
                parent.key_mark, f"'{parent.key}' is given twice", f"first at line {keys[parent.key].line}; keep one"
            )
        else:
            entries[parent.key], keys[parent.key] = node, parent.key_mark
        parent.key = None

    def _refuse(self, mark: Mark, message: str, hint: str) -> None:
        self._problems.add(mark, message, hint)
        raise _Refused


def _resolve(text: str) -> Scalar:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC:
        return text
    if _INTEGER.fullmatch(text):
        return int(text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _error_mark(error: yaml.YAMLError, text: str, file: str) -> Mark:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        return Mark(file, mark.line + 1, mark.column + 1)
    position = getattr(error, "position", 0) or 0
    return Mark(file, text.count("\n", 0, position) + 1, 1)


def _error_text(error: yaml.YAMLError) -> str:
    parts = (getattr(error, "context", None), getattr(error, "problem", None) or getattr(error, "reason", None))
    return ", ".join(str(part) for part in parts if part) or "unreadable"
