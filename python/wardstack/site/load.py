"""Load a site: its standards, site.yml, hosts.yml and deviations.yml; every problem of all of them at once."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from wardstack.site.addresses import AddressBook
from wardstack.site.checks import SiteChecks
from wardstack.site.document import SiteDocument, read_site_document
from wardstack.site.hosts import read_hosts
from wardstack.site.model import NETWORKS, Site
from wardstack.standards.deviations import read_deviations
from wardstack.standards.document import read_document
from wardstack.standards.load import read_standards
from wardstack.standards.model import Deviation, Standards, Value
from wardstack.standards.problems import Mark, Problems
from wardstack.standards.reader import Reader

USED_PARAMETERS = {
    "integer": (
        "archive_data_disk_gib",
        "archive_node_count",
        "archive_node_cpus",
        "archive_node_memory_mib",
        "archive_system_disk_gib",
        "ca_validity_days",
        "certificate_renew_days",
        "certificate_validity_days",
        "database_loop_wait_s",
        "database_retry_timeout_s",
        "database_synchronous_nodes",
        "database_ttl_s",
        "dicom_tls_port",
        "disk_unlock_servers",
        "disk_unlock_threshold",
        "fencing_timeout_s",
        "host_min_memory_mib",
        "https_port",
        "network_mtu",
        "storage_managers",
        "storage_metadata_servers",
        "storage_min_replicas",
        "storage_monitors",
        "storage_osd_memory_mib",
        "storage_replicas",
        "vm_migration_max_downtime_ms",
        "vm_restart_attempts",
    ),
    "boolean": ("fencing_enabled", "vm_migration_tls"),
    "text": ("archive_aet", "vm_cpu_model"),
    "choice": (
        "archive_spread",
        "failure_domain",
        "storage_archive_kind",
        "storage_volume_encryption",
        "vm_firmware",
        "vm_machine",
    ),
    "list": ("network_names",),
}
"""Parameters that the checks and the blueprint read, by type; standards without them cannot build a cloud."""


def load_site(inventory_dir: Path, standards_dir: Path, today: dt.date | None = None) -> Site:
    """Load and check a site.

    Args:
        inventory_dir: holds site.yml, hosts.yml and perhaps deviations.yml.
        standards_dir: holds the standard documents.
        today: the day on which the expiry of deviations is judged; the current one by default.

    Raises:
        DocumentErrors: with everything that is wrong in any of the files.
    """
    problems = Problems()
    reader = Reader(problems)
    standards = read_standards(standards_dir, problems)
    if not problems.found:
        _require_parameters(standards, standards_dir, problems)
    # What a site chose cannot be judged against standards that are themselves wrong.
    problems.raise_any()
    book = AddressBook(reader)
    site_root = read_document(inventory_dir / "site.yml", problems)
    hosts_root = read_document(inventory_dir / "hosts.yml", problems)
    site = read_site_document(site_root, standards, book, reader) if site_root else SiteDocument()
    hosts = read_hosts(hosts_root, NETWORKS, book, reader) if hosts_root else ()
    deviations = read_deviations(inventory_dir / "deviations.yml", standards, today or dt.date.today(), problems)
    values = _values(standards, site, deviations, problems)
    book.check()
    if site_root and hosts_root:
        SiteChecks(site, hosts, values, standards, problems).run()
    problems.raise_any()
    return Site(
        name=site.name,
        directory=inventory_dir,
        title=site.title,
        engine=site.engine,
        domain=site.domain,
        state_dir=Path(site.state_dir),
        lab=site.lab,
        networks=site.networks,
        hosts=tuple(host for host, _ in hosts),
        archive_nodes=site.nodes,
        floating_address=site.floating_address,
        time_servers=site.time_servers,
        mirrors=site.mirrors,
        modalities=site.modalities,
        chosen=site.chosen,
        parameters=values,
        deviations=deviations,
        standards=standards,
    )


def _values(
    standards: Standards, site: SiteDocument, deviations: tuple[Deviation, ...], problems: Problems
) -> dict[str, Value]:
    """The value of every parameter: default, then the site's choice, then an approved deviation."""
    values = {**standards.defaults(), **site.chosen}
    for deviation in deviations:
        if deviation.parameter is None or deviation.value is None:
            continue
        if deviation.parameter in site.chosen:
            place = site.marks[deviation.parameter]
            problems.add(
                place,
                f"{deviation.parameter} is chosen here and deviated from at {deviation.mark}",
                "keep one",
                deviation.clause,
            )
        values[deviation.parameter] = deviation.value
    return values


def _require_parameters(standards: Standards, directory: Path, problems: Problems) -> None:
    for kind, names in USED_PARAMETERS.items():
        for name in names:
            parameter = standards.parameters.get(name)
            if parameter is None:
                problems.add(
                    Mark(str(directory), 1, 1), f"no clause declares the parameter '{name}'", "restore the clause"
                )
            elif parameter.type != kind:
                message = f"the type of {name} is {parameter.type}"
                problems.add(parameter.mark, message, f"the blueprint needs {kind}", parameter.clause)
