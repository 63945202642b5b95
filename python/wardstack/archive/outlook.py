"""What a verification would do, told from the ledger alone: nothing is reached."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass

from wardstack.archive.config import VerifyConfig
from wardstack.archive.history import recall
from wardstack.archive.ledger import FILE_NAME, read
from wardstack.archive.seed import FILE_NAME as SEED_NAME
from wardstack.archive.seed import site_seed
from wardstack.archive.studies import Recipe, proof_counts, study_uid


@dataclass(frozen=True)
class Outlook:
    """What a verification would do.

    Attributes:
        stored: Objects in the ledger.
        to_send: Objects of the proof that the ledger lacks.
        second_study: A second study would be sent.
    """

    stored: int
    to_send: int
    second_study: bool

    @property
    def changes(self) -> bool:
        """Objects would be stored."""
        return bool(self.to_send or self.second_study)

    def lines(self, vm: str | None) -> list[str]:
        """Return it for people; ``vm`` is what would be migrated."""
        lines = [f"would send {self.to_send} objects of five studies"] if self.to_send else []
        if self.second_study:
            lines.append(f"would send a second study while {vm} is migrated")
        return [*lines, "would find and read back every study and compare it with the ledger"]


def foresee(config: VerifyConfig, second_study: bool = False, again: bool = False) -> Outlook:
    """Tell what a verification would do.

    Args:
        config: Names the ledger.
        second_study: Something is to happen while a second study is sent.
        again: Even if that is on record, with success, for this archive.

    Returns:
        The outlook. It makes no file, also where there is no ledger yet.

    Raises:
        LedgerError: The ledger is damaged.
        ValueError: The seed is damaged.
    """
    records, _ = read(config.ledger_dir / FILE_NAME)
    # Without a seed nothing was sent yet, and any seed gives the same numbers.
    seeded = (config.ledger_dir / SEED_NAME).exists()
    recipe = Recipe(
        site_seed(config.ledger_dir) if seeded else uuid.UUID(int=0), matrix=config.matrix, ct_slices=config.ct_slices
    )
    stored = Counter(record.study_uid for record in records.values())
    counts = proof_counts(recipe)
    to_send = sum(count - min(count, stored[study_uid(recipe, key)]) for key, count in counts.items())
    shown = recall(config.ledger_dir).get("load", {}).get("ok", False)
    return Outlook(len(records), to_send, second_study and (again or not shown))
