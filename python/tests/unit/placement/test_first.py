"""The first host of each VM, and whether the hosts suffice (STD-05.4)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wardstack.placement.first import Carrier, Load, first_hosts, shortfalls

HOSTS = [Carrier(f"h{i}", 8192, 4, f"d{i}") for i in (1, 2, 3)]
VMS = [Load(f"a{i}", 1280, 2) for i in (1, 2, 3)]
GROUP = [["a1", "a2", "a3"]]


def test_three_nodes_start_in_three_domains() -> None:
    """STD-05.4."""
    assert first_hosts(HOSTS, VMS, {}, GROUP) == {"a1": "h1", "a2": "h2", "a3": "h3"}


def test_what_runs_stays_and_the_others_avoid_it() -> None:
    assert first_hosts(HOSTS, VMS, {"a3": "h1"}, GROUP) == {"a1": "h2", "a2": "h3", "a3": "h1"}


def test_with_two_hosts_left_every_node_still_has_a_place() -> None:
    placed = first_hosts(HOSTS[:2], VMS, {}, GROUP)
    assert sorted(placed) == ["a1", "a2", "a3"]


def test_two_hosts_of_one_power_feed_count_as_one_domain() -> None:
    hosts = [Carrier("h1", 8192, 4, "A"), Carrier("h2", 8192, 4, "A"), Carrier("h3", 8192, 4, "B")]
    placed = first_hosts(hosts, VMS[:2], {}, GROUP)
    assert {placed["a1"], placed["a2"]} == {"h1", "h3"}


def test_memory_for_one_lost_host_is_asked_for() -> None:
    tight = [Carrier(f"h{i}", 1600, 4, f"d{i}") for i in (1, 2, 3)]
    found = shortfalls(tight, VMS)
    assert len(found) == 3
    assert all("is lost" in what for _, what in found)


def test_a_vm_larger_than_any_host_is_named() -> None:
    assert ("vm/big", "wants 8 CPUs, the largest host has 4") in shortfalls(HOSTS, [Load("big", 512, 8)])


@given(
    st.lists(st.tuples(st.integers(1000, 9000), st.integers(1, 8)), min_size=1, max_size=6),
    st.lists(st.integers(100, 4000), max_size=8),
)
def test_no_host_is_ever_given_more_than_it_has(hosts: list[tuple[int, int]], memories: list[int]) -> None:
    carriers = [Carrier(f"h{i}", memory, cpus, f"d{i}") for i, (memory, cpus) in enumerate(hosts)]
    vms = [Load(f"v{i}", memory, 1) for i, memory in enumerate(memories)]
    placed = first_hosts(carriers, vms, {}, [[v.name for v in vms]])
    for carrier in carriers:
        assert sum(v.total_mib for v in vms if placed.get(v.name) == carrier.name) <= carrier.memory_mib
