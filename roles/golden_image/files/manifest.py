#!/usr/bin/env python3
"""Print the manifest of a golden image: what it is, its digest and the packages in it.

usage: manifest.py TREE IMAGE KEY SUITE
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path


def package_versions(tree: Path) -> dict[str, str]:
    """Return the version of every package installed in a root tree."""
    listing = subprocess.run(
        ["dpkg-query", f"--admindir={tree}/var/lib/dpkg", "--show", "--showformat", "${Package} ${Version}\n"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return dict(line.split(" ", 1) for line in sorted(listing.splitlines()))


def main() -> None:
    """Write the manifest as JSON to standard output."""
    tree, image, key, suite = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    with image.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    information = json.loads(
        subprocess.run(["qemu-img", "info", "--output=json", image], check=True, capture_output=True).stdout
    )
    json.dump(
        {
            "key": key,
            "name": f"archive-{key}",
            "path": os.fspath(image),
            "sha256": digest,
            "size_bytes": image.stat().st_size,
            "virtual_size_bytes": information["virtual-size"],
            "suite": suite,
            "root": os.fspath(tree),
            "packages": package_versions(tree),
        },
        sys.stdout,
        indent=1,
    )


if __name__ == "__main__":
    main()
