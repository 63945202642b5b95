"""Typed reading of nodes: says what is wrong and goes on with a harmless value.

Every function takes the node and what to call it. On a mismatch it reports a problem and returns the empty value
of its type; the caller's object is then never used, because `Problems.raise_any` comes before anybody sees it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

from wardstack.standards.document import Node
from wardstack.standards.problems import Problems, suggest

T = TypeVar("T")


class Reader:
    """Reads nodes, reports to `problems`."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def mapping(
        self, node: Node | None, what: str, required: Collection[str] = (), optional: Collection[str] | None = ()
    ) -> dict[str, Node]:
        """Entries of a mapping with known keys; `optional=None` allows any other key."""
        if node is None:
            return {}
        if not isinstance(node.value, dict):
            self._mismatch(node, what, "a mapping")
            return {}
        known = {*required, *(optional or ())}
        for key in node.value:
            if optional is not None and key not in known:
                mark = node.keys[key] if node.keys else node.mark
                self.problems.add(mark, f"{what} has the unknown key '{key}'", suggest(key, known))
        for key in required:
            if key not in node.value:
                self.problems.add(node.mark, f"{what} lacks '{key}'", f"add '{key}:'")
        return node.value

    def items(self, node: Node | None, what: str) -> list[Node]:
        """Elements of a list; none when the node is absent."""
        if node is None:
            return []
        if not isinstance(node.value, list):
            self._mismatch(node, what, "a list")
            return []
        return node.value

    def text(self, node: Node | None, what: str, pattern: str = r"(?s).+", means: str = "a text") -> str:
        """A text that matches `pattern` wholly; `means` describes the pattern to a person."""
        if node is None:
            return ""
        if not isinstance(node.value, str) or not node.value.strip() or not re.fullmatch(pattern, node.value):
            self._mismatch(node, what, means)
            return ""
        return node.value

    def integer(self, node: Node | None, what: str, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        if node is None:
            return low
        if isinstance(node.value, bool) or not isinstance(node.value, int):
            self._mismatch(node, what, f"a whole number from {low} to {high}")
            return low
        if not low <= node.value <= high:
            self.problems.add(node.mark, f"{what} is {node.value}", f"choose {low} to {high}")
            return low
        return node.value

    def boolean(self, node: Node | None, what: str, default: bool = False) -> bool:
        """True or false."""
        if node is None:
            return default
        if not isinstance(node.value, bool):
            self._mismatch(node, what, "true or false")
            return default
        return node.value

    def choice(self, node: Node | None, what: str, choices: Collection[str]) -> str:
        """One of some words. The file's text decides, so that an unquoted `off` is the word."""
        if node is None:
            return ""
        if isinstance(node.value, list | dict) or node.text not in choices:
            shown = f"'{node.text}'" if node.text else node.kind
            self.problems.add(
                node.mark, f"{what} is {shown}", suggest(node.text, choices, f"choose one of {', '.join(choices)}")
            )
            return ""
        return node.text

    def texts(self, node: Node | None, what: str, pattern: str = r"(?s).+", means: str = "a text") -> tuple[str, ...]:
        """A list of texts without repetition."""
        found: list[str] = []
        for item in self.items(node, what):
            text = self.text(item, f"an entry of {what}", pattern, means)
            if text and text in found:
                self.problems.add(item.mark, f"{what} names '{text}' twice", "keep one")
            elif text:
                found.append(text)
        return tuple(found)

    def bilingual(self, node: Node | None, what: str) -> dict[str, str]:
        """A text in English and Chinese."""
        parts = self.mapping(node, what, required=("en", "zh"))
        return {language: self.text(parts.get(language), f"{what} ({language})").strip() for language in ("en", "zh")}

    def date(self, node: Node | None, what: str) -> dt.date | None:
        """A calendar date such as 2027-03-31."""
        if node is None:
            return None
        try:
            return dt.date.fromisoformat(node.text if not isinstance(node.value, list | dict) else "")
        except ValueError:
            self._mismatch(node, what, "a date such as 2027-03-31")
            return None

    def named(
        self, node: Node | None, what: str, read: Callable[[str, Node], T], pattern: str, means: str
    ) -> Iterator[tuple[str, T]]:
        """Entries of a mapping from free names to things."""
        for name, child in self.mapping(node, what, optional=None).items():
            if not re.fullmatch(pattern, name):
                mark = node.keys[name] if node is not None and node.keys else child.mark
                self.problems.add(mark, f"{what} has the name '{name}'", f"a name is {means}")
            yield name, read(name, child)

    def _mismatch(self, node: Node, what: str, wanted: str) -> None:
        shown = f"'{node.text}'" if node.text and len(node.text) < 80 else node.kind
        self.problems.add(node.mark, f"{what} is {shown}", f"write {wanted}")
