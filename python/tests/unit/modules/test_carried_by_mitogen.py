"""Mitogen brings a module to a machine only with what it finds by reading imports; a miss fails there, at run time."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_mitogen.module_finder import scan

import wardstack.ansible

HOME = Path(wardstack.ansible.__file__).parent
PACKAGES = {
    "wardstack_ceph": "wardstack_ceph_daemons",
    "wardstack_cluster": "wardstack_cluster",
    "wardstack_network": "wardstack_network",
}


def test_every_package_has_its_module() -> None:
    assert {path.name for path in (HOME / "module_utils").iterdir() if (path / "__init__.py").exists()} == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_all_of_a_package_is_found(package: str) -> None:
    module = PACKAGES[package]
    found = scan(module, str(HOME / "modules" / f"{module}.py"), [str(HOME / "module_utils")])
    names = {name for name, _, _ in found}
    files = {path.stem for path in (HOME / "module_utils" / package).glob("*.py")} - {"__init__"}
    assert {f"ansible.module_utils.{package}.{name}" for name in files} <= names
