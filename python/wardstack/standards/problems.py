"""What is wrong with a document, where, and what to do: collected, so that a person corrects everything at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Mark(NamedTuple):
    """A place in a file; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{_shorten(self.file)}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct."""

    mark: Mark
    message: str
    hint: str = ""
    """What to do about it."""
    clause: str = ""

    def __str__(self) -> str:
        clause = f"{self.clause}: " if self.clause else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.mark}: {clause}{self.message}{hint}"


class DocumentErrors(Exception):
    """Every problem of the documents, by file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        unique = dict.fromkeys(problems)
        self.problems = tuple(sorted(unique, key=lambda p: (p.mark.file, p.mark.line, p.mark.column, p.message)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Problems:
    """The collector that readers and checks report to."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, mark: Mark, message: str, hint: str = "", clause: str = "") -> None:
        """Report a problem and go on."""
        self.found.append(Problem(mark, message, hint, clause))

    def raise_any(self) -> None:
        """End the work if anything was reported.

        Raises:
            DocumentErrors: with all problems.
        """
        if self.found:
            raise DocumentErrors(self.found)


def suggest(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint that names the nearest known word, else all of them when they are few."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    if names and len(names) <= 12:
        return f"known: {', '.join(names)}"
    return otherwise


def _shorten(file: str) -> str:
    """A path as a person would type it from here."""
    try:
        return str(Path(file).resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return file
