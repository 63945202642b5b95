"""Names and identities: the same on every host and every run."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

VM_USER = "client.libvirt"
"""The storage user as which every VM's disks are opened."""

XML_NAMESPACE = "urn:wardstack:1"
"""Namespace of our notes in libvirt's ``<metadata>``."""

_ROOT = uuid.uuid5(uuid.NAMESPACE_URL, XML_NAMESPACE)


def identity(site: str, *parts: str) -> str:
    """A UUID that depends on nothing but the names."""
    return str(uuid.uuid5(_ROOT, "/".join((site, *parts))))


def volume_secret(site: str, volume: str) -> str:
    """UUID of the libvirt secret that opens a volume."""
    return identity(site, "volume", volume)


def user_secret(site: str, user: str) -> str:
    """UUID of the libvirt secret that holds a storage user's key."""
    return identity(site, "storage_user", user)


def seed_image(vm: str) -> str:
    """RBD image of a VM's cloud-init seed."""
    return f"{vm}-seed"


def digest(value: Any) -> str:
    """Sixteen hexadecimal digits of the SHA-256 of a text or of JSON data: enough to notice a change."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
