# Copyright (c) Wardstack contributors
# SPDX-License-Identifier: Apache-2.0
"""What Pacemaker's configuration (CIB) has to hold, and how it differs from what it holds. Nothing is run here."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

PREFIX = "fence-"
PASSWORDS = "/etc/wardstack/fencing"
"""One file per host with the password of its BMC; the CIB itself, which more people may read, holds none."""

MONITOR_S = 60
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$")


class ClusterError(Exception):
    """The cluster cannot be brought into its state; the message says where and what to do."""


@dataclass(frozen=True)
class Change:
    """One change of the configuration.

    Attributes:
        what: the thing that changes, as shown to people.
        before: one line, empty when it is new.
        after: one line, empty when it goes.
        command: words to run on a member of the cluster.
    """

    what: str
    before: str
    after: str
    command: tuple[str, ...]


def check(fencing: list[dict[str, Any]]) -> None:
    """Raise ClusterError for the first wrong device."""
    seen: set[str] = set()
    for device in fencing:
        if not NAME.match(device["host"]):
            raise ClusterError(f"'{device['host']}' is not a name of a host")
        if device["host"] in seen:
            raise ClusterError(f"host {device['host']} has two BMCs")
        seen.add(device["host"])
        if not device["system"].startswith("/"):
            raise ClusterError(
                f"BMC of {device['host']}: system '{device['system']}' is not a path such as /redfish/v1/Systems/1"
            )


def device_parameters(device: dict[str, Any]) -> dict[str, str]:
    """Return the parameters of one host's fence agent."""
    parameters = {
        "ip": device["address"],
        "ipport": str(device["port"]),
        "username": device["user"],
        "password_script": f"/bin/cat {PASSWORDS}/{device['host']}",
        "systems_uri": device["system"],
        "pcmk_host_list": device["host"],
        "pcmk_host_check": "static-list",
        "pcmk_reboot_action": device["action"],
    }
    if not device["verify"]:
        parameters["ssl_insecure"] = "1"
    return parameters


def device_xml(device: dict[str, Any]) -> str:
    """Return the CIB element of one host's fence agent."""
    name = PREFIX + device["host"]
    pairs = "".join(
        f'<nvpair id="{name}-{key}" name="{key}" value={quoteattr(value)}/>'
        for key, value in sorted(device_parameters(device).items())
    )
    return (
        f'<primitive id="{name}" class="stonith" type="fence_redfish">'
        f'<instance_attributes id="{name}-parameters">{pairs}</instance_attributes>'
        f'<operations><op id="{name}-monitor" name="monitor" interval="{MONITOR_S}s" timeout="30s"/>'
        f'<op id="{name}-start" name="start" interval="0s" timeout="30s"/></operations></primitive>'
    )


def location_xml(host: str) -> str:
    """Return the CIB element that keeps a host from holding its own fence agent: who hangs cannot cut its own power."""
    return f'<rsc_location id="{PREFIX}{host}-elsewhere" rsc="{PREFIX}{host}" score="-INFINITY" node="{host}"/>'


def pairs_of(section: ET.Element | None) -> dict[str, str]:
    """Return the names and values of all sets of a section."""
    if section is None:
        return {}
    return {pair.get("name", ""): pair.get("value", "") for pair in section.iter("nvpair")}


def canonical(element: ET.Element | None) -> str:
    """Return an element as one text that does not depend on the order of its parts."""
    if element is None:
        return ""
    attributes = " ".join(f"{key}={value}" for key, value in sorted(element.attrib.items()))
    return f"{element.tag}({attributes})[{' '.join(sorted(canonical(child) for child in element))}]"


def describe(element: ET.Element | None) -> str:
    """Return an element of ours as one readable line."""
    if element is None:
        return ""
    if element.tag == "rsc_location":
        return f"never on {element.get('node')}"
    return " ".join(f"{name}={value}" for name, value in sorted(pairs_of(element).items()))


def changes(
    configuration: ET.Element,
    properties: dict[str, str],
    defaults: dict[str, str],
    fencing: list[dict[str, Any]],
) -> list[Change]:
    """Return what differs, in the order in which it has to be changed.

    Args:
        configuration: the CIB's element ``configuration``; an empty one of a cluster that does not exist yet.
        properties: wanted cluster properties. Others are left alone.
        defaults: wanted defaults of resources. Others are left alone.
        fencing: the devices. Devices of ours (``fence-…``) that are not among them go.
    """
    found: list[Change] = []
    enabling = {name: value for name, value in properties.items() if name == "stonith-enabled" and value == "true"}
    for section, kind, wanted in (
        ("crm_config", "crm_config", {k: v for k, v in properties.items() if k not in enabling}),
        ("rsc_defaults", "rsc_defaults", defaults),
    ):
        found += pair_changes(pairs_of(configuration.find(section)), kind, wanted)
    found += device_changes(configuration, fencing)
    # Last, so that the cluster never believes in fencing that it cannot do yet.
    return found + pair_changes(pairs_of(configuration.find("crm_config")), "crm_config", enabling)


def pair_changes(has: dict[str, str], kind: str, wanted: dict[str, str]) -> list[Change]:
    """Return the changes of one section's names and values."""
    return [
        Change(
            f"{kind} {name}",
            has.get(name, ""),
            value,
            ("crm_attribute", "--type", kind, "--name", name, "--update", value),
        )
        for name, value in sorted(wanted.items())
        if has.get(name) != value
    ]


def device_changes(configuration: ET.Element, fencing: list[dict[str, Any]]) -> list[Change]:
    """Return the changes of fence agents and of where they may run."""
    found: list[Change] = []
    hosts = {device["host"] for device in fencing}
    for element in configuration.iterfind("resources/primitive"):
        name = element.get("id", "")
        if name.startswith(PREFIX) and element.get("class") == "stonith" and name[len(PREFIX) :] not in hosts:
            location = f"//constraints/rsc_location[@rsc='{name}']"
            found.append(
                Change(f"{name} elsewhere", "", "", ("cibadmin", "--delete-all", "--force", "--xpath", location))
            )
            command = ("cibadmin", "--delete", "--scope", "resources", "--xml-text", f'<primitive id="{name}"/>')
            found.append(Change(name, describe(element), "", command))
    for device in fencing:
        name = PREFIX + device["host"]
        for scope, text, path in (
            ("resources", device_xml(device), f"resources/primitive[@id='{name}']"),
            ("constraints", location_xml(device["host"]), f"constraints/rsc_location[@id='{name}-elsewhere']"),
        ):
            has, wanted = configuration.find(path), ET.fromstring(text)
            if canonical(has) == canonical(wanted):
                continue
            # Replacing what is not there fails, with --allow-create too (Pacemaker 3.0.0).
            command = ("cibadmin", "--create" if has is None else "--replace", "--scope", scope, "--xml-text", text)
            found.append(
                Change(name if scope == "resources" else f"{name} place", describe(has), describe(wanted), command)
            )
    return found
