"""A site: what is read and computed, and each mistake of an inventory with its message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from wardstack.site import Site, load_site
from wardstack.standards import DocumentErrors

Load = Callable[..., Site]
Refused = Callable[..., list[str]]
ROOT = Path(__file__).resolve().parents[4]
MISTAKES = yaml.safe_load(Path(__file__).with_name("mistakes.yml").read_text(encoding="utf-8"))


def test_the_lab_is_read(load: Load) -> None:
    site = load()
    assert [host.name for host in site.hosts] == ["h1", "h2", "h3"]
    assert site.groups() == {
        "ceph_mon": ("h1", "h2", "h3"),
        "ceph_mgr": ("h1", "h2"),
        "ceph_mds": ("h1", "h2"),
        "ceph_osd": ("h1", "h2", "h3"),
        "tang_servers": ("h1", "h2", "h3"),
    }
    assert site.std["tls_ciphersuites"] == ["TLS_AES_256_GCM_SHA384"]
    cluster = {"cidr": "10.78.0.0/24", "prefix": 24, "bridge": "br-cluster", "gateway": "10.78.0.1"}
    hospital = {"cidr": "10.78.1.0/24", "prefix": 24, "bridge": "br-hospital", "gateway": None}
    plain = {"vlan": None, "bond": None}
    assert site.as_vars()["networks"] == {"cluster": cluster | plain, "hospital": hospital | plain}


def test_every_inventory_that_we_ship_has_no_problem() -> None:
    for site in sorted((ROOT / "inventories").glob("*/site.yml")):
        load_site(site.parent, ROOT / "docs" / "standards")


def test_a_choice_inside_the_bounds_is_taken(load: Load) -> None:
    site = load("site.yml", {"parameters: {}": "parameters: {storage_osd_encryption: off, archive_dicom_threads: 32}"})
    assert site.std["storage_osd_encryption"] == "off"
    assert site.std["archive_dicom_threads"] == 32
    assert site.chosen == {"archive_aet": "WARDSTACK", "storage_osd_encryption": "off", "archive_dicom_threads": 32}


@pytest.mark.parametrize(
    ("file", "case"),
    [(file, case) for file, cases in MISTAKES.items() for case in cases],
    ids=lambda value: value["says"][:50] if isinstance(value, dict) else value,
)
def test_a_mistake_is_named_with_its_clause_and_what_to_do(problems: Refused, file: str, case: dict[str, str]) -> None:
    assert case["says"] in "\n".join(problems(file, {case["replace"]: case["by"]}))


def test_a_host_without_the_chosen_failure_domain_is_named(problems: Refused, load: Load) -> None:
    """STD-01.3."""
    load("hosts.yml", {", rack: R2": ""})
    found = "\n".join(problems("site.yml", {"parameters: {}": "parameters: {failure_domain: rack}"}))
    assert "STD-01.3 host_domains of h2 lacks 'rack', which is the failure_domain; add 'rack:'" in found
    assert "hosts with disks stand in 2 domains" in found


def test_mistakes_of_all_files_come_at_once(inventory: Path, problems: Refused, load: Load) -> None:
    with pytest.raises(DocumentErrors):
        load("hosts.yml", {"hospital: 10.78.1.13": "hospital: 10.78.1.11"})
    (inventory / "deviations.yml").write_text("---\ndeviations: [{clause: STD-99.1}]\n", encoding="utf-8")
    found = problems("site.yml", {"engine: libvirt": "engine: kvm"})
    assert {line.partition(":")[0] for line in found} == {"hosts.yml", "site.yml", "deviations.yml"}


DEVIATION = """---
deviations:
  - {clause: STD-09.2, parameter: log_retention_days, value: 90, reason: Small disks., risk: Late findings.,
     approver: Dr. Li, approved: 2026-11-01, expires: %s}
"""


def test_a_deviation_is_applied(inventory: Path, load: Load) -> None:
    (inventory / "deviations.yml").write_text(DEVIATION % "2027-01-01", encoding="utf-8")
    assert load().std["log_retention_days"] == 90


def test_an_expired_deviation_stops_the_run(inventory: Path, problems: Refused) -> None:
    (inventory / "deviations.yml").write_text(DEVIATION % "2026-11-23", encoding="utf-8")
    assert "STD-09.2 the deviation expired on 2026-11-23" in "\n".join(problems())


def test_a_choice_and_a_deviation_for_one_parameter_are_refused(inventory: Path, problems: Refused) -> None:
    (inventory / "deviations.yml").write_text(DEVIATION % "2027-01-01", encoding="utf-8")
    found = problems("site.yml", {"parameters: {}": "parameters: {log_retention_days: 365}"})
    assert "log_retention_days is chosen here and deviated from at" in "\n".join(found)


@pytest.mark.parametrize("name", ["site.yml", "hosts.yml"])
def test_a_missing_file_is_named(inventory: Path, problems: Refused, name: str) -> None:
    (inventory / name).unlink()
    assert any(line.startswith(f"{name}:1:1  cannot be read") for line in problems())
