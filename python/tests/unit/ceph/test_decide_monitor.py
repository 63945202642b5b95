"""How a monitor comes to run, and that there is never a second cluster (STD-04.3, STD-05.8)."""

from __future__ import annotations

import itertools

import pytest

from wardstack.ansible.module_utils.wardstack_ceph.decide import Decision, MonitorStore, decide_monitor

MONITORS = ["h1", "h2", "h3"]
STORES: list[MonitorStore] = ["none", "new", "formed"]


def decide(store: MonitorStore, peers: dict[str, str] | None, *, quorum: bool = False) -> Decision:
    facts = None if peers is None else {name: {"store": value} for name, value in peers.items()}
    return decide_monitor("h1", store, quorum=quorum, listening=(), monitors=MONITORS, peers=facts)


def test_the_first_pass_never_makes_a_cluster() -> None:
    assert decide("none", None).action == "ask"
    assert decide("new", None).action == "ask"


def test_a_store_that_was_in_a_quorum_is_started() -> None:
    assert decide("formed", None).action == "start"


@pytest.mark.parametrize(("store", "action"), [("none", "join"), ("new", "start"), ("formed", "start")])
def test_an_existing_quorum_is_joined(store: MonitorStore, action: str) -> None:
    assert decide(store, None, quorum=True).action == action


@pytest.mark.parametrize("store", ["foreign", "broken"])
def test_a_store_that_is_not_ours_is_left_alone(store: MonitorStore) -> None:
    assert decide(store, None, quorum=True).action == "refuse"


def test_a_host_that_could_not_be_reached_forbids_a_new_cluster_and_is_named() -> None:
    decision = decide("none", {"h1": "none", "h2": "none"})
    assert decision.action == "refuse"
    assert "h3" in decision.reason


@pytest.mark.parametrize("others", list(itertools.product(STORES, repeat=2)))
def test_a_new_cluster_is_only_made_where_no_monitor_was_ever_in_a_quorum(others: tuple[str, str]) -> None:
    peers = {"h1": "none", "h2": others[0], "h3": others[1]}
    expected = "wait" if "formed" in others else "create"
    assert decide("none", peers).action == expected
