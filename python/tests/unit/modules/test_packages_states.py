"""Reading dpkg's list of packages."""

from __future__ import annotations

from wardstack.ansible.modules.wardstack_packages import UNITS, states

STATUS = """Package: chrony
Status: install ok installed
Architecture: amd64

Package: ceph-mon
Status: install ok half-configured

Package: libc6
Status: install ok installed
Architecture: amd64

Package: libc6
Status: deinstall ok config-files
Architecture: i386

Package: gone
Status: deinstall ok config-files
"""


def test_only_installed_counts_as_installed() -> None:
    found = states(STATUS)
    assert found == {
        "chrony": "installed",
        "ceph-mon": "half-configured",
        "libc6": "installed",
        "gone": "config-files",
    }


def test_units_of_a_package_are_found_in_either_folder() -> None:
    paths = [
        "/lib/systemd/system/a.service",
        "/usr/lib/systemd/system/b.socket",
        "/usr/lib/systemd/system/c.service.d/x",
    ]
    assert [match.group(1) for path in paths if (match := UNITS.match(path))] == ["a.service", "b.socket"]
