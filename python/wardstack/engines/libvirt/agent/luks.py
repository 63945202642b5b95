"""The LUKS2 header of a volume.

``rbd encryption format`` would do, but derives the key with Argon2 tuned to two
seconds, and every start and every live migration of a VM pays them again on
the receiving host. Iterations protect passphrases that can be guessed; ours
are random (192 bits, `wardstack.site.secrets`), and NIST SP 800-132 asks 1,000
iterations at least. The header is the standard one all the same: librbd,
``cryptsetup`` and every other reader of LUKS2 open it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from .process import AgentError, run

MIB = 1 << 20
HEADER_BYTES = 16 * MIB
"""Where data begins, as in librbd's own format."""

SECTOR_BYTES = 4096
"""The encryption sector that librbd uses; it refuses none, but others cost it reads before writes."""

ITERATIONS = 1000
SHORTEST = 32
"""Characters of a passphrase that count as random: 32 URL-safe ones are 192 bits."""


def header(passphrase: str) -> bytes:
    """Make a LUKS2 header (AES-256-XTS) of exactly `HEADER_BYTES`.

    Raises:
        AgentError: the passphrase is short, so it may be a word somebody thought of.
    """
    if len(passphrase) < SHORTEST:
        raise AgentError(
            f"the volume's passphrase has {len(passphrase)} characters, fewer than {SHORTEST}",
            "Remove the secret's file before the volume exists, so that a random one is generated",
        )
    # In memory (tmpfs): the header holds nothing readable without the passphrase, but need not touch a disk twice.
    with tempfile.NamedTemporaryFile(dir="/run", prefix="wardstack-luks-") as file:
        file.truncate(HEADER_BYTES + MIB)
        run(
            ["cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", "--pbkdf", "pbkdf2",
             "--pbkdf-force-iterations", str(ITERATIONS), "--cipher", "aes-xts-plain64", "--key-size", "512",
             "--sector-size", str(SECTOR_BYTES), "--offset", str(HEADER_BYTES // 512), "--key-file", "-", file.name],
            stdin=passphrase.encode(),
        )  # fmt: skip
        return Path(file.name).read_bytes()[:HEADER_BYTES]
