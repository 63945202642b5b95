"""The record of what a run changed, or in check mode would change."""

from __future__ import annotations


class Changes:
    """Subjects with their state before and after, in the order in which they were touched."""

    def __init__(self, *, check: bool) -> None:
        """Start an empty record.

        Args:
            check: nothing may be changed; callers ask before every deed.
        """
        self.check = check
        self.before: dict[str, str] = {}
        self.after: dict[str, str] = {}

    def add(self, subject: str, before: str, after: str) -> bool:
        """Record a change.

        Returns:
            True when the caller has to carry it out, False in check mode.
        """
        self.before.setdefault(subject, before)
        self.after[subject] = after
        return not self.check

    def __bool__(self) -> bool:
        """Say whether anything changed."""
        return bool(self.after)

    def steps(self) -> list[str]:
        """Return one sentence for each change."""
        return [f"{subject}: {self.before[subject]} -> {after}" for subject, after in self.after.items()]

    def diff(self) -> dict[str, str]:
        """Return the record in the form that ``--diff`` shows."""
        return {
            "before_header": "Ceph daemons",
            "after_header": "Ceph daemons",
            "before": "".join(f"{subject}: {state}\n" for subject, state in self.before.items()),
            "after": "".join(f"{subject}: {state}\n" for subject, state in self.after.items()),
        }
