"""The site's seed: made once, so that its generated objects are the same ever after."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

FILE_NAME = "seed"


def site_seed(folder: Path) -> uuid.UUID:
    """Return the seed that lies beside the ledger, made at the first call.

    A random seed makes the UIDs of every site its own; it is retired together
    with the ledger.

    Args:
        folder: The ledger's folder, made if missing.

    Returns:
        The seed.

    Raises:
        ValueError: The file holds no UUID.
    """
    path = folder / FILE_NAME
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Linked into place when complete: a killed run leaves no half a seed.
        draft = folder / f".{FILE_NAME}-{os.getpid()}"
        with draft.open("w") as file:
            file.write(f"{uuid.uuid4()}\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            # Another run was first: its seed counts.
            pass
        finally:
            draft.unlink()
    try:
        return uuid.UUID(path.read_text().strip())
    except ValueError as error:
        raise ValueError(f"{path} holds no UUID: {error}") from error
