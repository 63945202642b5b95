"""Keys, keyring files and values of options."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import pytest

from wardstack.ansible.module_utils.wardstack_ceph import keys, options
from wardstack.ansible.module_utils.wardstack_ceph.settings import CephError, read_settings

FSID = "2f1e6d0e-6f0e-4b57-9a2f-53a5f1d0a001"


def test_a_derived_key_has_the_form_that_ceph_reads() -> None:
    raw = base64.b64decode(keys.derive("seed", FSID, "client.admin"))
    kind, _, _, length = struct.unpack("<hIIh", raw[:12])
    assert (kind, length, len(raw)) == (1, 16, 28)


def test_keys_differ_by_seed_cluster_and_entity_and_are_else_the_same() -> None:
    again = [keys.derive("seed", FSID, "mon.") for _ in range(2)]
    assert again[0] == again[1]
    others = {
        keys.derive("seed", FSID, "client.admin"),
        keys.derive("other", FSID, "mon."),
        keys.derive("seed", FSID[::-1], "mon."),
    }
    assert len(others | set(again)) == 4


def test_a_key_is_read_from_its_own_section(tmp_path: Path) -> None:
    path = tmp_path / "keyring"
    path.write_text(keys.keyring("mon.", "AAA=", keys.MONITOR_CAPS) + keys.keyring("client.admin", "BBB=="))
    assert keys.read_key(path, "mon.") == "AAA="
    assert keys.read_key(path, "client.admin") == "BBB=="
    assert keys.read_key(path, "client.other") is None
    assert keys.read_key(tmp_path / "missing", "mon.") is None


@pytest.mark.parametrize(
    ("stored", "wanted", "equal"),
    [
        ("2.000000", "2", True),
        ("939524096", "939524096", True),
        ("false", "false", True),
        (None, "2", False),
        ("2", "3", False),
    ],
)
def test_option_values_are_compared_as_ceph_stores_them(stored: str | None, wanted: str, equal: bool) -> None:
    assert options.same(stored, wanted) is equal


def parameters(**changed: object) -> dict[str, object]:
    disks = [{"id": name, "kind": "file", "path": f"/disks/{name}", "size_gib": 8} for name in ("osd0", "osd1")]
    return {
        "host": "h1", "fsid": FSID, "seed": "s", "monitors": {"h1": "10.0.0.1"}, "daemons": ["mon", "osd"],
        "disks": disks,
        "replace_disks": [], "encryption": "auto", "location": {"rack": "rack-R1"}, "config": {}, "manager_stub": None,
        "manager_stub_versions": [], "leader": True, "create": False, "peers": {}, "wait_s": 1, **changed,
    }  # fmt: skip


def test_an_osd_keeps_its_identity_and_shares_it_with_no_other() -> None:
    first, again = read_settings(parameters()), read_settings(parameters())
    other = read_settings(parameters(host="h2", monitors={"h2": "10.0.0.2"}))
    identities = [first.osd_uuid(disk) for disk in first.disks] + [other.osd_uuid(disk) for disk in other.disks]
    assert len(set(identities)) == 4
    assert first.osd_uuid(first.disks[0]) == again.osd_uuid(again.disks[0])


def test_the_location_leads_from_the_root_to_the_host() -> None:
    assert read_settings(parameters()).location == (("root", "default"), ("rack", "rack-R1"), ("host", "h1"))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"monitors": {"h2": "10.0.0.2"}}, "no address"),
        ({"fsid": "nonsense"}, "not a UUID"),
        ({"disks": [{"id": "a", "kind": "file", "path": f"/{n}", "size_gib": 1} for n in "xy"]}, "same id: a"),
        ({"disks": [{"id": n, "kind": "file", "path": "/x", "size_gib": 1} for n in "ab"]}, "same path: /x"),
    ],
)
def test_arguments_that_do_not_fit_are_named(changed: dict[str, object], words: str) -> None:
    with pytest.raises(CephError, match=words):
        read_settings(parameters(**changed))
