"""Which hosts run which cluster daemons: computed from counts, spread over failure domains, stable.

The choice depends on nothing but the order of the hosts in the inventory, so a host appended to it takes no role
away from another: members are taken in order, at most `ceil(count / distinct)` of one domain, and only when that
does not fill the group is the limit raised. `distinct` is the number of domains that the standards demand anyway
(`storage_replicas`), and not the number that the site happens to have, for the same reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def spread(hosts: Sequence[str], domains: Mapping[str, str], count: int, distinct: int) -> tuple[str, ...]:
    """Choose up to `count` hosts, in inventory order, spread over their failure domains.

    Args:
        hosts: names in inventory order.
        domains: failure domain of each host.
        count: how many are wanted; fewer are returned when there are fewer hosts.
        distinct: number of failure domains that the site must have at least.

    Returns:
        The chosen hosts in inventory order.
    """
    chosen: set[str] = set()
    used: dict[str, int] = {}
    limit = -(-count // max(1, min(count, distinct)))
    while len(chosen) < min(count, len(hosts)):
        for host in hosts:
            domain = domains[host]
            if host not in chosen and used.get(domain, 0) < limit and len(chosen) < count:
                chosen.add(host)
                used[domain] = used.get(domain, 0) + 1
        limit += 1
    return tuple(host for host in hosts if host in chosen)
