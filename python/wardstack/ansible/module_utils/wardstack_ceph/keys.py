"""The first keys of a cluster, derived from one secret of the site.

Every monitor's host needs the same keys before there is a cluster to ask. Deriving
them spares carrying secrets from host to host, and a run that was broken off gets
the same keys again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import pwd
import re
import struct
import tempfile
from pathlib import Path

AES_128 = 1
"""Type of a cephx key (``CEPH_CRYPTO_AES`` in Ceph's ``src/include/ceph_fs.h``)."""

MONITOR_CAPS = {"mon": "allow *"}
ADMIN_CAPS = {"mon": "allow *", "mgr": "allow *", "osd": "allow *", "mds": "allow *"}
BOOTSTRAP_CAPS = {"mon": "profile bootstrap-osd", "mgr": "allow r"}


def derive(seed: str, fsid: str, entity: str) -> str:
    """Return a cephx key in Ceph's notation.

    The bytes are a header (type, time of creation, length; little-endian, see
    ``CryptoKey::encode`` in Ceph's ``src/auth/Crypto.cc``) and the 128 bits of an
    HMAC-SHA256 over cluster and entity.
    """
    secret = hmac.new(seed.encode(), f"cephx/{fsid}/{entity}".encode(), hashlib.sha256).digest()[:16]
    return base64.b64encode(struct.pack("<hIIh", AES_128, 1, 0, len(secret)) + secret).decode()


def keyring(entity: str, key: str, caps: dict[str, str] | None = None) -> str:
    """Return one section of a keyring file."""
    lines = [f"[{entity}]", f"\tkey = {key}"]
    lines += [f'\tcaps {daemon} = "{cap}"' for daemon, cap in (caps or {}).items()]
    return "\n".join(lines) + "\n"


def read_key(path: Path, entity: str) -> str | None:
    """Return an entity's key from a keyring file, None when it is not there."""
    try:
        text = path.read_text()
    except (FileNotFoundError, NotADirectoryError):
        return None
    section = re.search(rf"^\[{re.escape(entity)}\]\n((?:(?!\[).*\n?)*)", text, re.MULTILINE)
    found = re.search(r"^\s*key\s*=\s*(\S+)", section.group(1), re.MULTILINE) if section else None
    return found.group(1) if found else None


def write_private(path: Path, text: str, owner: str = "ceph") -> None:
    """Write a file that only its owner reads, wholly or not at all."""
    account = pwd.getpwnam(owner)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as stream:
            os.fchown(stream.fileno(), account.pw_uid, account.pw_gid)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).rename(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
