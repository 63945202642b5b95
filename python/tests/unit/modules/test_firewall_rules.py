"""Openings of the firewall: what they become, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest

from wardstack.ansible.modules.wardstack_firewall import FirewallError, check, refuse_lock_out, render, statements


def rule(**changes: Any) -> dict[str, Any]:
    return {"name": "ssh", "clause": "STD-08.7", "protocol": "tcp", "ports": ["22"], "from": ["10.78.0.0/24"]} | changes


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (rule(), ['ip saddr { 10.78.0.0/24 } tcp dport { 22 } accept comment "STD-08.7 ssh"']),
        (
            rule(ports=["6800-7300", "3300"], **{"from": ["any"]}),
            ['tcp dport { 3300, 6800-7300 } accept comment "STD-08.7 ssh"'],
        ),
        (
            rule(**{"from": ["10.78.0.11", "fd00::11"]}),
            [
                'ip saddr { 10.78.0.11 } tcp dport { 22 } accept comment "STD-08.7 ssh"',
                'ip6 saddr { fd00::11 } tcp dport { 22 } accept comment "STD-08.7 ssh"',
            ],
        ),
        (
            rule(protocol="vrrp", ports=[]),
            ['meta l4proto vrrp ip saddr { 10.78.0.0/24 } accept comment "STD-08.7 ssh"'],
        ),
        (
            rule(protocol="icmp", ports=[]),
            ['ip saddr { 10.78.0.0/24 } icmp type echo-request accept comment "STD-08.7 ssh"'],
        ),
        # An address inside a range that is open already is no second opening.
        (
            rule(**{"from": ["10.78.1.0/24", "10.78.1.1"]}),
            ['ip saddr { 10.78.1.0/24 } tcp dport { 22 } accept comment "STD-08.7 ssh"'],
        ),
    ],
)
def test_an_opening_becomes_these_statements(wanted: dict[str, Any], found: list[str]) -> None:
    assert statements(wanted) == found


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (rule(clause="because"), "is not a clause"),
        (rule(name='x" drop #'), "a name is"),
        (rule(ports=[]), "needs ports"),
        (rule(ports=["0"]), "is not a port"),
        (rule(ports=["70000"]), "is not a port"),
        (rule(ports=["30-20"]), "is not a port"),
        (rule(ports=["22; accept"]), "is not a port"),
        (rule(protocol="vrrp"), "has no ports"),
        (rule(**{"from": []}), "'from' is empty"),
        (rule(**{"from": ["10.78.0.0/33"]}), "10.78.0.0/33"),
        (rule(**{"from": ["10.78.0.1/24"]}), "host bits"),
    ],
)
def test_a_wrong_opening_is_refused_by_name(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(FirewallError, match=message):
        check([wrong], [])


def test_a_wrong_bridge_is_refused() -> None:
    with pytest.raises(FirewallError, match="name of a bridge"):
        check([], ['br"0'])


@pytest.mark.parametrize("client", [("10.78.0.1", 22), ("::ffff:10.78.0.1", 22), None])
def test_the_connection_that_rules_come_by_stays_open(client: tuple[str, int] | None) -> None:
    refuse_lock_out([rule()], client)


@pytest.mark.parametrize("client", [("192.0.2.7", 22), ("10.78.0.1", 2222), ("fd00::1", 22)])
def test_rules_that_would_shut_us_out_are_refused(client: tuple[str, int]) -> None:
    with pytest.raises(FirewallError, match="shut out"):
        refuse_lock_out([rule()], client)


def test_everything_else_is_dropped_and_bridges_pass() -> None:
    text = render([rule()], "drop", ["br-cluster"])
    assert "hook input priority filter; policy drop;" in text
    assert 'iifname "br-cluster" oifname "br-cluster" accept' in text
