"""The lab's inventory, copied, with texts replaced; and the standards that we ship."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from wardstack.site import Site, load_site
from wardstack.standards import DocumentErrors

ROOT = Path(__file__).resolve().parents[4]
STANDARDS = ROOT / "docs" / "standards"
TODAY = dt.date(2026, 11, 24)


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """A copy of the lab's inventory that has made no choices: tests make theirs in place of ``parameters: {}``."""
    target = tmp_path / "lab"
    target.mkdir()
    for name in ("site.yml", "hosts.yml"):
        shutil.copy(ROOT / "inventories" / "lab" / name, target / name)
    text = (target / "site.yml").read_text(encoding="utf-8")
    fixed, chosen = text.split("\nparameters:")
    assert not re.search(r"^\S", chosen.lstrip("\n"), re.MULTILINE), "the parameters are no longer the file's last part"
    (target / "site.yml").write_text(fixed + "\nparameters: {}\n", encoding="utf-8")
    return target


@pytest.fixture
def load(inventory: Path) -> Callable[..., Site]:
    """Load the inventory after replacing texts: ``load("site.yml", {old: new})``."""

    def load_changed(file: str = "site.yml", changes: dict[str, str] | None = None) -> Site:
        path = inventory / file
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for old, new in (changes or {}).items():
            assert old in text, old
            text = text.replace(old, new)
        if changes:
            path.write_text(text, encoding="utf-8")
        return load_site(inventory, STANDARDS, TODAY)

    return load_changed


@pytest.fixture
def problems(load: Callable[..., Site]) -> Callable[..., list[str]]:
    """As `load`, for an inventory that must be refused: its problems."""

    def refused(file: str = "site.yml", changes: dict[str, str] | None = None) -> list[str]:
        with pytest.raises(DocumentErrors) as caught:
            load(file, changes)
        return [
            f"{Path(p.mark.file).name}:{p.mark.line}:{p.mark.column} {p.clause} {p.message}; {p.hint}"
            for p in caught.value.problems
        ]

    return refused
