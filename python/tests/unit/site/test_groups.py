"""Computed groups: spread over failure domains, and stable when hosts are appended."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wardstack.site.groups import spread

hosts_and_domains = st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=20).map(
    lambda domains: {f"h{i}": domain for i, domain in enumerate(domains)}
)


def test_monitors_stand_in_different_domains() -> None:
    """STD-04.3, STD-08.4."""
    domains = {"h1": "A", "h2": "A", "h3": "B", "h4": "C"}
    assert spread(list(domains), domains, 3, 3) == ("h1", "h3", "h4")


def test_too_few_domains_still_give_the_wanted_number() -> None:
    domains = {"h1": "A", "h2": "A", "h3": "A"}
    assert spread(list(domains), domains, 3, 3) == ("h1", "h2", "h3")


def test_five_monitors_over_three_domains_leave_at_most_two_in_one() -> None:
    domains = {f"h{i}": "ABC"[i % 3] for i in range(9)}
    chosen = spread(list(domains), domains, 5, 3)
    assert max([domains[h] for h in chosen].count(d) for d in "ABC") == 2


@given(domains=hosts_and_domains, count=st.integers(0, 7), distinct=st.integers(1, 5))
def test_as_many_as_wanted_or_there_are(domains: dict[str, str], count: int, distinct: int) -> None:
    chosen = spread(list(domains), domains, count, distinct)
    assert len(chosen) == len(set(chosen)) == min(count, len(domains))
    assert list(chosen) == [host for host in domains if host in chosen]


@given(hosts=st.integers(3, 30), added=st.integers(1, 10), count=st.integers(1, 7), distinct=st.integers(1, 5))
def test_with_the_host_as_domain_an_appended_host_takes_no_role(
    hosts: int, added: int, count: int, distinct: int
) -> None:
    """STD-09.5."""
    names = [f"h{i}" for i in range(hosts + added)]
    itself = {name: name for name in names}
    before = spread(names[:hosts], itself, count, distinct)
    assert set(before) <= set(spread(names, itself, count, distinct))


@given(domains=hosts_and_domains, new=st.sampled_from("ABCDEF"), count=st.integers(1, 5), distinct=st.integers(1, 5))
def test_a_group_that_is_spread_stays_when_a_host_is_appended(
    domains: dict[str, str], new: str, count: int, distinct: int
) -> None:
    before = spread(list(domains), domains, count, distinct)
    used = [domains[host] for host in before]
    limit = -(-count // max(1, min(count, distinct)))
    if len(before) == count and max(used.count(domain) for domain in used) <= limit:
        domains = {**domains, "new": new}
        assert spread(list(domains), domains, count, distinct) == before
