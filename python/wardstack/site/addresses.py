"""Every address of a site in one place: is it one, does it lie in its network, does anybody else have it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from wardstack.standards.document import Node
from wardstack.standards.problems import Mark
from wardstack.standards.reader import Reader

UNIQUE = "STD-02.2"
Cidr = ipaddress.IPv4Network
Ip = ipaddress.IPv4Address


@dataclass(frozen=True, slots=True)
class _Claim:
    what: str
    address: Ip
    mark: Mark
    network: str | None


class AddressBook:
    """Collects the addresses while documents are read; `check` then judges them together."""

    def __init__(self, reader: Reader) -> None:
        self.networks: dict[str, tuple[Cidr, Mark]] = {}
        self._reader = reader
        self._claims: list[_Claim] = []

    def network(self, name: str, node: Node | None) -> Cidr | None:
        """Read a network such as 10.78.0.0/24; None when it is none."""
        text = self._reader.text(node, f"cidr of network {name}")
        if node is None or not text:
            return None
        try:
            cidr = Cidr(text)
        except ValueError as error:
            self._reader.problems.add(
                node.mark,
                f"cidr of network {name} is '{text}': {error}",
                "write a network such as 10.78.0.0/24",
                UNIQUE,
            )
            return None
        for other, (known, mark) in self.networks.items():
            if known.overlaps(cidr):
                self._reader.problems.add(
                    node.mark,
                    f"network {name} {cidr} overlaps network {other} {known} ({mark})",
                    "use separate ranges",
                    "STD-02.1",
                )
        self.networks[name] = (cidr, node.mark)
        return cidr

    def claim(self, node: Node | None, what: str, network: str | None) -> str:
        """Read an address that somebody uses alone.

        Args:
            node: the address; nothing is said about an absent one.
            what: who uses it, for the message.
            network: where it must lie; None when it may be anywhere.

        Returns:
            The address in its usual spelling; empty when it is none.
        """
        address = self.read(node, what)
        if address is None or node is None:
            return ""
        self._claims.append(_Claim(what, address, node.mark, network))
        return str(address)

    def read(self, node: Node | None, what: str) -> Ip | None:
        """Read an address that others may use too."""
        text = self._reader.text(node, what)
        if node is None or not text:
            return None
        try:
            return Ip(text)
        except ValueError:
            self._reader.problems.add(
                node.mark, f"{what} is '{text}', which is no IPv4 address", "write one such as 10.78.0.11", UNIQUE
            )
            return None

    def check(self) -> None:
        """Report addresses outside their network and addresses used twice."""
        first: dict[Ip, _Claim] = {}
        for claim in self._claims:
            self._check_place(claim)
            other = first.setdefault(claim.address, claim)
            if other is not claim:
                self._reader.problems.add(
                    claim.mark,
                    f"{claim.what} is {claim.address}, which is already {other.what} ({other.mark})",
                    "give one of them another address",
                    UNIQUE,
                )

    def _check_place(self, claim: _Claim) -> None:
        if claim.network not in self.networks:
            return
        cidr, mark = self.networks[claim.network]
        if claim.address not in cidr:
            message = f"{claim.what} is {claim.address}, outside network {claim.network} {cidr} ({mark})"
        elif cidr.prefixlen < 31 and claim.address in (cidr.network_address, cidr.broadcast_address):
            message = f"{claim.what} is {claim.address}, the first or last of network {claim.network} {cidr}"
        else:
            return
        self._reader.problems.add(claim.mark, message, "correct the address or the network", UNIQUE)
