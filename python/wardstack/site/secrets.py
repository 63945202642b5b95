"""The secrets of one site: one file each, written once, never overwritten.

A secret is a file ``secrets/NAME`` (mode 0600) in the site's state directory,
which is never part of the repository. Most are generated here; some (the
password of a real host's BMC) exist before Wardstack does and can only be
given by the hospital, so a missing one is an error that says which file to
write.
"""

from __future__ import annotations

import os
import re
import secrets as random
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["password", "hex", "given"]

_NAME = re.compile(r"^[a-z0-9][a-z0-9_.-]{0,126}$", re.IGNORECASE)

MINIMUM_BYTES = 16
"""Shortest generated secret: 128 bits, the floor of NIST SP 800-131A."""


class SecretError(Exception):
    """A secret cannot be read or written; the message says what to do."""


@dataclass(frozen=True)
class SecretSpec:
    """What a secret has to look like when it is generated.

    Attributes:
        name: file name below ``secrets/``; also the name that roles look up.
        kind: ``password`` (URL-safe text), ``hex``, or ``given``: never
            generated, the hospital writes the file.
        size: random bytes behind the secret (not characters).
    """

    name: str
    kind: Kind = "password"
    size: int = 24

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise SecretError(f"secret name {self.name!r} may hold only letters, digits, '_', '.' and '-'")
        if self.kind not in ("password", "hex", "given"):
            raise SecretError(f"secret {self.name}: kind {self.kind!r} is not password, hex or given")
        if self.kind != "given" and self.size < MINIMUM_BYTES:
            raise SecretError(f"secret {self.name}: {self.size} bytes are too few, at least {MINIMUM_BYTES}")

    def generate(self) -> str:
        """Return a new random value from the operating system's generator."""
        if self.kind == "hex":
            return random.token_hex(self.size)
        return random.token_urlsafe(self.size)


class SecretStore:
    """The folder ``secrets/`` of a site's state directory.

    Args:
        state_dir: the site's state directory (absolute).
    """

    def __init__(self, state_dir: str | Path) -> None:
        self.directory = Path(state_dir) / "secrets"

    def path(self, name: str) -> Path:
        """Return the file that holds a secret.

        Raises:
            SecretError: the name could leave the folder.
        """
        if not _NAME.match(name):
            raise SecretError(f"{name!r} is not a name of a secret")
        return self.directory / name

    def read(self, name: str) -> str | None:
        """Return a secret without its final newline, None when it does not exist.

        Raises:
            SecretError: the file is empty, unreadable or not text.
        """
        path = self.path(name)
        try:
            value = path.read_text(encoding="utf-8").rstrip("\r\n")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise SecretError(f"secret {name} cannot be read from {path}: {error}") from None
        if not value:
            raise SecretError(f"secret {name} is empty: write it into {path}, or remove that file")
        return value

    def missing(self, specs: Iterable[SecretSpec]) -> list[SecretSpec]:
        """Return those specs whose secret does not exist, each name once."""
        seen: dict[str, SecretSpec] = {}
        for spec in specs:
            if spec.name not in seen and self.read(spec.name) is None:
                seen[spec.name] = spec
        return list(seen.values())

    def ensure(self, specs: Iterable[SecretSpec]) -> list[str]:
        """Generate what is missing.

        Returns:
            Names of the secrets that were generated, in the order asked for.

        Raises:
            SecretError: secrets of kind ``given`` are missing (all of them are
                named, and nothing is written), or a file cannot be written.
        """
        missing = self.missing(specs)
        wanted = [spec for spec in missing if spec.kind == "given"]
        if wanted:
            files = ", ".join(str(self.path(spec.name)) for spec in wanted)
            raise SecretError(
                f"{len(wanted)} secret(s) only you can know are missing: write each, mode 0600, into {files}"
            )
        return [spec.name for spec in missing if self._create(spec.name, spec.generate())]

    def _create(self, name: str, value: str) -> bool:
        """Write a new secret so that it is there wholly or not at all.

        The hard link, unlike a rename, fails when somebody else was faster, so
        two runs at once agree on one value.

        Returns:
            False when another run created it in between.
        """
        target = self.path(name)
        try:
            for folder in (self.directory.parent, self.directory):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=self.directory)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(value + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
            finally:
                Path(temporary).unlink()
        except OSError as error:
            raise SecretError(f"secret {name} cannot be written to {target}: {error}") from None
        return True
