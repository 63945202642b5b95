"""Unique identifiers of generated objects, the same for the same seed."""

from __future__ import annotations

import uuid


def derive(seed: uuid.UUID, *names: str | int) -> str:
    """Derive a DICOM UID from a seed and a path of names.

    The UID is ``2.25.`` followed by a version 5 UUID as a decimal number
    (DICOM PS3.5 B.2), so it is globally unique as long as the seed is, and
    needs no registered root.

    Args:
        seed: The site's seed, a random UUID made once.
        names: What the UID is for, for example ``"ct", "series", 1``.

    Returns:
        A UID of at most 44 characters.
    """
    return f"2.25.{derive_uuid(seed, *names).int}"


def derive_uuid(seed: uuid.UUID, *names: str | int) -> uuid.UUID:
    """Derive a UUID from a seed and a path of names (version 5)."""
    # The separator keeps ("a", "bc") and ("ab", "c") apart.
    return uuid.uuid5(seed, "\x1f".join(str(name) for name in names))
