# Copyright (c) Wardstack contributors
# SPDX-License-Identifier: Apache-2.0
"""Corosync: what its file says and what the running one knows. Nothing is run here."""

from __future__ import annotations

import re

LINE = re.compile(r"^(\S+) \(\w+\) = (.*)$")


def parse(text: str) -> dict[str, str]:
    """Return the settings of ``corosync.conf`` in the words of Corosync's map, such as ``nodelist.node.0.name``."""
    found: dict[str, str] = {}
    path: list[str] = []
    nodes = 0
    for raw in text.splitlines():
        line = raw.strip()
        if line.endswith("{"):
            path.append(line[:-1].strip())
            if path == ["nodelist", "node"]:
                path[-1] = f"node.{nodes}"
                nodes += 1
        elif line == "}":
            path.pop()
        elif ":" in line and not line.startswith("#"):
            key, _, value = line.partition(":")
            found[".".join([*path, key.strip()])] = value.strip()
    return found


def parse_map(text: str) -> dict[str, str]:
    """Return the map as ``corosync-cmapctl`` prints it."""
    return {match.group(1): match.group(2) for line in text.splitlines() if (match := LINE.match(line))}


def nodes(settings: dict[str, str]) -> list[dict[str, str]]:
    """Return the members, whatever their numbers in the list are, sorted by their identity."""
    members: dict[str, dict[str, str]] = {}
    for key, value in settings.items():
        words = key.split(".")
        if words[:2] == ["nodelist", "node"] and len(words) == 4:
            members.setdefault(words[2], {})[words[3]] = value
    return sorted(members.values(), key=lambda member: int(member.get("nodeid", "0")))


def must_reload(wanted: dict[str, str], live: dict[str, str]) -> str:
    """Return why the running Corosync has to read its file again, empty when it has."""
    if nodes(wanted) != nodes(live):
        return "members: " + ", ".join(f"{node.get('name')}" for node in nodes(wanted))
    for key in ("totem.token", "totem.crypto_cipher", "totem.crypto_hash"):
        if key in wanted and live.get(key) != wanted[key]:
            return f"{key}: {wanted[key]}"
    return ""
