"""A small standard document, and a function that reads it with one text replaced by another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wardstack.standards import DocumentErrors, Standards, load_standards

DOCUMENT = """---
standard: STD-04
version: 1.0.0
title: {en: Storage, zh: 存储}
purpose: {en: Keeps data., zh: 保存数据。}
defaults:
  owner: hospital_it
  applies: {engines: [libvirt], sizes: [small]}
  review: P1Y6M

clauses:
  - id: STD-04.1
    requirement: {en: Copies., zh: 副本。}
    rationale: {en: Disks fail., zh: 磁盘会坏。}
    parameters:
      storage_replicas:
        type: integer
        unit: copies
        default: 3
        min: 3
        max: 5
        description: {en: Copies., zh: 副本数。}
      storage_mode:
        type: choice
        default: off
        choices: ["off", secure]
        description: {en: Mode., zh: 模式。}
    proof: machine
    implemented_by: [role/ceph]
    verified_by: [molecule/ceph]
    mappings:
      ISO/IEC 27002:2022: ["8.14"]
"""


@pytest.fixture
def document() -> str:
    """The document's text."""
    return DOCUMENT


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Standards]:
    """Load the document after replacing `old` by `new`."""

    def read_changed(old: str = "", new: str = "", *, document: str = DOCUMENT) -> Standards:
        assert old in document
        (tmp_path / "04-storage.yml").write_text(document.replace(old, new, 1), encoding="utf-8")
        return load_standards(tmp_path)

    return read_changed


@pytest.fixture
def problems(read: Callable[..., Standards]) -> Callable[..., list[str]]:
    """As `read`, for a document that must be refused: its problems."""

    def refused(old: str = "", new: str = "", *, document: str = DOCUMENT) -> list[str]:
        with pytest.raises(DocumentErrors) as caught:
            read(old, new, document=document)
        return [f"{p.mark.line}:{p.mark.column} {p.clause} {p.message}; {p.hint}" for p in caught.value.problems]

    return refused
