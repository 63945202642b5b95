"""Checks that need more than one value: parameters against each other, against the hosts, and against the networks."""

from __future__ import annotations

from collections.abc import Mapping

from wardstack.site.document import SiteDocument
from wardstack.site.model import Host
from wardstack.standards.document import Node
from wardstack.standards.model import Standards, Value
from wardstack.standards.problems import Mark, Problems

Hosts = tuple[tuple[Host, Node], ...]
_NEED_HOSTS = (
    "storage_monitors",
    "storage_managers",
    "storage_metadata_servers",
    "disk_unlock_servers",
    "archive_node_count",
)
"""Parameters that count things of which a host carries at most one."""


class SiteChecks:
    """One method per subject; each reports all that it finds."""

    def __init__(
        self, site: SiteDocument, hosts: Hosts, values: Mapping[str, Value], standards: Standards, problems: Problems
    ) -> None:
        self._site = site
        self._hosts = hosts
        self._values = values
        self._standards = standards
        self._problems = problems

    def run(self) -> None:
        """Run every check."""
        self.parameters()
        self.counts()
        self.domains()
        self.memory()
        self.names()
        self.fencing()
        self.networks()

    def parameters(self) -> None:
        """Parameters that must fit each other."""
        self._at_most("storage_min_replicas", "storage_replicas")
        self._at_most("disk_unlock_threshold", "disk_unlock_servers")
        self._at_most("certificate_validity_days", "ca_validity_days")
        self._below("certificate_renew_days", "certificate_validity_days")
        self._below("database_synchronous_nodes", "archive_node_count")
        ttl, loop, retry = (self._number(f"database_{name}_s") for name in ("ttl", "loop_wait", "retry_timeout"))
        least = loop + 2 * retry
        if least > ttl:
            self._report(
                "database_ttl_s",
                f"database_ttl_s is {ttl}, below database_loop_wait_s + 2 * database_retry_timeout_s = {least}",
                "raise it or lower the others: the database would give up its leader for nothing",
            )
        if self._number("storage_monitors") % 2 == 0:
            self._report(
                "storage_monitors", "storage_monitors is even", "an odd number survives as many losses with one less"
            )
        if self._number("dicom_tls_port") == self._number("https_port"):
            self._report("dicom_tls_port", "dicom_tls_port and https_port are the same", "give each its own")

    def counts(self) -> None:
        """Enough hosts and archive nodes."""
        for parameter in _NEED_HOSTS:
            if self._number(parameter) > len(self._hosts):
                self._report(
                    parameter,
                    f"{parameter} is {self._number(parameter)} but hosts.yml has {len(self._hosts)} hosts",
                    "add hosts or choose fewer",
                )
        wanted = self._number("archive_node_count")
        if len(self._site.nodes) != wanted:
            self._report(
                "archive_node_count",
                f"archive_node_count is {wanted} but node_addresses names {len(self._site.nodes)} nodes",
                f"name the addresses of {', '.join(f'a{i}' for i in range(1, wanted + 1))}",
                self._site.marks.get("archive"),
            )
        names = {host.name for host, _ in self._hosts}
        for node in self._site.nodes:
            if node.name in names:
                self._report(
                    "archive_node_count", f"a host is called {node.name} like an archive node", "rename the host"
                )

    def domains(self) -> None:
        """Every host names its failure domains, and there are enough of them for the replicas."""
        for parameter in ("failure_domain", "archive_spread"):
            kind = str(self._values[parameter])
            if kind == "host":
                continue
            for host, node in self._hosts:
                if not host.domains.get(kind):
                    clause = self._standards.parameters[parameter].clause
                    self._problems.add(
                        node.mark,
                        f"host_domains of {host.name} lacks '{kind}', which is the {parameter}",
                        f"add '{kind}:'",
                        clause,
                    )
        kind = str(self._values["failure_domain"])
        found = {host.name if kind == "host" else host.domains.get(kind, "") for host, _ in self._hosts if host.disks}
        found.discard("")
        replicas = self._number("storage_replicas")
        if len(found) < replicas:
            self._report(
                "storage_replicas",
                f"storage_replicas is {replicas} but hosts with disks stand in {len(found)} domains of kind {kind}",
                "spread the hosts, add some, or choose another failure_domain",
            )

    def memory(self) -> None:
        """After the loss of one host the others still carry every archive node, with the least allowed memory."""
        left = len(self._hosts) - 1
        if left < 1:
            return
        nodes = -(-self._number("archive_node_count") // left)
        disks = max(len(host.disks) for host, _ in self._hosts)
        needed = nodes * self._number("archive_node_memory_mib") + disks * self._number("storage_osd_memory_mib")
        if needed > self._number("host_min_memory_mib"):
            self._report(
                "host_min_memory_mib",
                f"after the loss of a host another would need {needed} MiB for {nodes} archive nodes and {disks} "
                f"storage daemons, and host_min_memory_mib is {self._number('host_min_memory_mib')}",
                "raise host_min_memory_mib (and the hosts' memory), or add hosts",
                clause="STD-01.5",
            )

    def names(self) -> None:
        """What the site must name, and names that exclude each other."""
        aet = self._values["archive_aet"]
        for modality in self._site.modalities:
            if modality.aet == aet:
                self._report("archive_aet", f"a modality has the archive's AE title '{aet}'", "give it another")
        if not self._site.time_servers:
            self._problems.add(
                self._site.marks["site"], "the site names no time server", "add 'time_servers: [...]'", "STD-09.1"
            )

    def fencing(self) -> None:
        """Fencing needs a management controller on every host."""
        if self._values["fencing_enabled"] is not True:
            return
        for host, node in self._hosts:
            if host.bmc is None:
                self._problems.add(
                    node.mark, f"host {host.name} lacks 'host_bmc'", "fencing needs its Redfish controller", "STD-05.2"
                )

    def networks(self) -> None:
        """The site has the demanded networks; a bond has members, and only a bond has several."""
        demanded = self._values["network_names"]
        for name in demanded if isinstance(demanded, tuple) else ():
            if name not in self._site.networks:
                self._report("network_names", f"the site has no network '{name}'", "add it to networks")
        for host, node in self._hosts:
            for name, network in self._site.networks.items():
                members = len(host.interfaces.get(name, ()))
                if members > 1 and network.bond_mode is None:
                    self._problems.add(
                        node.mark,
                        f"host {host.name} has {members} {name} interfaces and network {name} no bond",
                        "add 'bond:' to the network in site.yml",
                        "STD-02.1",
                    )
                if members == 1 and network.bond_mode is not None:
                    self._problems.add(
                        node.mark,
                        f"host {host.name} has one {name} interface for a bond",
                        "list both interfaces",
                        "STD-02.1",
                    )

    def _number(self, parameter: str) -> int:
        value = self._values[parameter]
        return value if isinstance(value, int) else 0

    def _at_most(self, lower: str, upper: str) -> None:
        if self._number(lower) > self._number(upper):
            self._report(
                lower,
                f"{lower} is {self._number(lower)}, more than {upper} = {self._number(upper)}",
                "lower it or raise the other",
            )

    def _below(self, lower: str, upper: str) -> None:
        if self._number(lower) >= self._number(upper):
            self._report(
                lower,
                f"{lower} is {self._number(lower)}, not below {upper} = {self._number(upper)}",
                "lower it or raise the other",
            )

    def _report(self, parameter: str, message: str, hint: str, mark: Mark | None = None, clause: str = "") -> None:
        """Report at the place where the site chose the value, else at the site."""
        declared = self._standards.parameters[parameter]
        place = mark or self._site.marks.get(parameter) or self._site.marks["site"]
        self._problems.add(place, message, f"{hint} ({declared.clause}, {declared.mark})", clause or declared.clause)
