"""Exit codes, and errors as one plain message each."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable
from enum import IntEnum
from typing import ParamSpec

import typer

from wardstack.lab.command import LabError
from wardstack.standards import DocumentErrors

EXIT_CODES = (
    "Exit codes: 0 done; 1 a step or a test failed; 2 the command line is wrong; "
    "3 a standard, the site or a deviation is wrong (each problem with file and line); "
    "4 not possible here or now (not root, another run is going on); 130 interrupted."
)


class Exit(IntEnum):
    """What a command's exit code means."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DOCUMENTS = 3
    IMPOSSIBLE = 4
    INTERRUPTED = 130


class Refusal(Exception):
    """A command that cannot be carried out; the message says why and what to do."""

    def __init__(self, message: str, code: Exit = Exit.IMPOSSIBLE) -> None:
        """Keep the message and the exit code."""
        super().__init__(message)
        self.code = code


def complain(message: str) -> None:
    """Print an error to standard error."""
    typer.secho(message, err=True, fg=typer.colors.RED)


P = ParamSpec("P")


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Turn the errors that people can do something about into messages and exit codes.

    Anything else is a mistake of ours and keeps its traceback.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except DocumentErrors as errors:
            count = len(errors.problems)
            complain(
                f"{errors}\nwardstack: {count} problem{'s' if count != 1 else ''} in the documents; nothing was changed"
            )
            raise typer.Exit(Exit.DOCUMENTS) from None
        except Refusal as refusal:
            complain(f"wardstack: {refusal}")
            raise typer.Exit(refusal.code) from None
        except LabError as error:
            complain(f"wardstack: {error}")
            raise typer.Exit(Exit.FAILED) from None
        except subprocess.CalledProcessError as error:
            # The program has already said what is wrong.
            raise typer.Exit(Exit.FAILED if error.returncode > 0 else Exit.INTERRUPTED) from None
        except KeyboardInterrupt:
            complain("wardstack: interrupted; start it again and it goes on where it was")
            raise typer.Exit(Exit.INTERRUPTED) from None

    return run
