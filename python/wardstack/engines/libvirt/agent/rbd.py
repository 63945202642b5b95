"""Images, volumes and cloud-init seeds as RBD images.

Whatever takes longer than an instant is made under a name ending in
``.building`` and renamed when it is complete, so a name without that ending
always means complete data, whenever the power went. What ends in
``.building`` is ours and worthless; anything else is never overwritten.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .ceph import Cluster
from .luks import HEADER_BYTES, header
from .process import AgentError, Step, run

BUILDING = ".building"
SNAPSHOT = "base"
META = "wardstack"
"""Image metadata key that holds our attributes as JSON; an image without it is not ours."""

MIB = 1 << 20
OBJECT_ORDER = 20
"""1 MiB objects: the first write to an object of a clone copies the whole object up."""

BUSY_S = 60
"""A client killed with its host holds its watch for 30 s (``osd_client_watch_timeout``)."""

IMPORT_DIR = Path("/var/lib/wardstack/import")


class Storage:
    """RBD images of one cluster."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.api = importlib.import_module("rbd")
        self.rbd = self.api.RBD()

    def context(self, pool: str) -> Any:
        """Open a pool."""
        return self.cluster.rados.open_ioctx(pool)

    @contextlib.contextmanager
    def open(self, pool: str, name: str, read_only: bool = False) -> Iterator[Any]:
        """Open an image."""
        with self.context(pool) as context, self.api.Image(context, name, read_only=read_only) as image:
            yield image

    def names(self, pool: str) -> list[str]:
        """Names of the images in a pool."""
        with self.context(pool) as context:
            return list(self.rbd.list(context))

    def attributes(self, pool: str, name: str) -> dict[str, Any] | None:
        """Our attributes of an image, None when it does not exist.

        Raises:
            AgentError: it exists, and is not ours.
        """
        if name not in self.names(pool):
            return None
        with self.open(pool, name, read_only=True) as image:
            text = dict(image.metadata_list()).get(META)
        if text is None:
            raise AgentError(
                f"an image {pool}/{name} exists that Wardstack did not make",
                "It is left alone: rename it ('rbd mv'), or choose another name",
            )
        found: dict[str, Any] = json.loads(text)
        return found

    def remove(self, pool: str, name: str, step: Step) -> None:
        """Remove an image with its snapshots, waiting for a client that died a moment ago.

        Raises:
            AgentError: somebody still uses it.
        """
        if name not in self.names(pool):
            return
        with self.open(pool, name) as image:
            for snapshot in list(image.list_snaps()):
                if image.is_protected_snap(snapshot["name"]):
                    image.unprotect_snap(snapshot["name"])
                image.remove_snap(snapshot["name"])
        until = time.monotonic() + BUSY_S
        while True:
            try:
                with self.context(pool) as context:
                    self.rbd.remove(context, name)
                return
            except self.api.ImageBusy:
                if time.monotonic() > until:
                    raise AgentError(
                        f"{pool}/{name} is in use",
                        f"'rbd status {pool}/{name}' names the client: stop it, then run again",
                    ) from None
                step("waiting for a client that still holds it")
                time.sleep(2)

    def complete(self, pool: str, name: str, attributes: dict[str, Any]) -> None:
        """Mark an image that was built as complete, and give it its name."""
        with self.open(pool, name + BUILDING) as image:
            image.metadata_set(META, json.dumps(attributes, sort_keys=True))
        with self.context(pool) as context:
            self.rbd.rename(context, name + BUILDING, name)


def observe() -> dict[str, dict[str, Any]]:
    """Pool → image → size, our attributes, and the parent's name."""
    storage = Storage()
    found: dict[str, dict[str, Any]] = {}
    for pool in storage.cluster.ask("osd dump")["pools"]:
        if "rbd" not in pool.get("application_metadata", {}):
            continue
        images = found.setdefault(pool["pool_name"], {})
        for name in storage.names(pool["pool_name"]):
            # Removed between listing and opening, or half created: it is simply not there.
            with contextlib.suppress(storage.api.ImageNotFound), storage.open(pool["pool_name"], name, True) as image:
                text = dict(image.metadata_list()).get(META)
                images[name] = {"size": image.size(), "attributes": json.loads(text) if text else None}
    return found


def image(step: Step, pool: str, name: str, sha256: str, size: int) -> None:
    """Import a golden image from standard input and make it the current one of its name.

    Args:
        step: called with what is being done.
        pool: where to.
        name: name of the image in the blueprint; the RBD image has the digest in its name too.
        sha256: digest that the bytes must have.
        size: bytes that follow on standard input; 0 when the image is known to be there.

    Raises:
        AgentError: the bytes are others than promised, or no disk image.
    """
    storage = Storage()
    target = f"{name}-{sha256[:12]}"
    attributes = {"image": name, "sha256": sha256, "selected": time.time()}
    if storage.attributes(pool, target) is None:
        _import(storage, step, pool, target, sha256, size, attributes)
    else:
        with storage.open(pool, target) as handle:
            handle.metadata_set(META, json.dumps(attributes, sort_keys=True))
    # Older images stay as long as a volume is a clone of one.
    for other, found in observe().get(pool, {}).items():
        if found["attributes"] and found["attributes"].get("image") == name and other != target:
            with contextlib.suppress(storage.api.Error):
                image_delete(step, pool, other)


def _import(
    storage: Storage, step: Step, pool: str, target: str, sha256: str, size: int, attributes: dict[str, Any]
) -> None:
    building = target + BUILDING
    storage.remove(pool, building, step)
    IMPORT_DIR.mkdir(parents=True, exist_ok=True)
    # A file, because a qcow2 image cannot be read from a pipe.
    with tempfile.NamedTemporaryFile(dir=IMPORT_DIR, prefix=f"{target}.") as file:
        step(f"receiving {size / MIB:.0f} MiB")
        digest = hashlib.sha256()
        left = size
        while left > 0:
            block = sys.stdin.buffer.read(min(left, MIB))
            if not block:
                raise AgentError(f"the image ended {left} bytes early")
            digest.update(block)
            file.write(block)
            left -= len(block)
        file.flush()
        if digest.hexdigest() != sha256:
            raise AgentError(f"the image has SHA-256 {digest.hexdigest()}, not {sha256}", "Build the image again")
        info = json.loads(run(["qemu-img", "info", "--output=json", file.name]))
        if info.get("backing-filename"):
            raise AgentError("the image needs a backing file", "Flatten it with 'qemu-img convert'")
        with storage.context(pool) as context:
            storage.rbd.create(context, building, int(info["virtual-size"]), order=OBJECT_ORDER, old_format=False)
        step("writing it to storage")
        # The new image reads as zeroes, so only data is written.
        run(
            ["qemu-img", "convert", "-n", "-W", "-m", "8", "--target-is-zero", "-f", info["format"], "-O", "raw",
             file.name, f"rbd:{pool}/{building}:id=admin:conf=/etc/ceph/ceph.conf"],
            timeout_s=1800,
        )  # fmt: skip
    with storage.open(pool, building) as handle:
        handle.create_snap(SNAPSHOT)
        handle.protect_snap(SNAPSHOT)
    storage.complete(pool, target, attributes)


def image_delete(step: Step, pool: str, name: str) -> None:
    """Delete an RBD image that was imported, unless volumes are clones of it."""
    storage = Storage()
    with storage.open(pool, name) as handle:
        handle.set_snap(SNAPSHOT)
        children = list(handle.list_children())
    if children:
        return
    storage.remove(pool, name, step)


def volume(
    step: Step, pool: str, name: str, attributes: dict[str, Any], source: dict[str, str] | None, passphrase: str | None
) -> None:
    """Create a volume; one that exists is never touched, let alone formatted.

    A volume from an image is a clone: only what the guest writes is stored
    again, and that encrypted. The image itself holds nothing secret.

    Args:
        step: called with what is being done.
        pool: pool of the volume.
        name: name of the volume.
        attributes: normalised attributes; ``size_mib`` is what the guest sees.
        source: ``{"pool": …, "name": …}`` of the RBD image to start from.
        passphrase: of the LUKS2 header, None for a plain volume.

    Raises:
        AgentError: the image is larger than the volume, or a foreign image has the name.
    """
    storage = Storage()
    if storage.attributes(pool, name) is not None:
        return
    building = name + BUILDING
    storage.remove(pool, building, step)
    size = int(attributes["size_mib"]) * MIB
    extra = HEADER_BYTES if passphrase else 0
    if source:
        with storage.open(source["pool"], source["name"], read_only=True) as parent:
            if parent.size() > size:
                raise AgentError(
                    f"image {source['name']} needs {parent.size() // MIB} MiB, the volume has {size // MIB}",
                    "Raise the volume's size (parameter archive_system_disk_gib)",
                )
        with storage.context(source["pool"]) as origin, storage.context(pool) as context:
            storage.rbd.clone(origin, source["name"], SNAPSHOT, context, building)
        with storage.open(pool, building) as handle:
            handle.resize(size + extra)
    else:
        with storage.context(pool) as context:
            storage.rbd.create(context, building, size + extra, old_format=False)
    if passphrase:
        step("writing the LUKS2 header")
        with storage.open(pool, building) as handle:
            handle.write(header(passphrase), 0)
            handle.flush()
        _prove(storage, pool, building, passphrase, size)
    storage.complete(pool, name, attributes)


def _prove(storage: Storage, pool: str, name: str, passphrase: str, size: int) -> None:
    """Open the new volume with its passphrase, as the hypervisor will, before anyone depends on it."""
    with storage.open(pool, name, read_only=True) as handle:
        handle.encryption_load(storage.api.RBD_ENCRYPTION_FORMAT_LUKS2, passphrase)
        if handle.size() != size:
            raise AgentError(f"encrypted volume {name} has {handle.size()} usable bytes, not {size}")


def volume_grow(step: Step, pool: str, name: str, attributes: dict[str, Any], encrypted: bool) -> None:
    """Make a volume larger, or only remember attributes that do not touch its data; it may be in use.

    Raises:
        AgentError: it is larger already.
    """
    storage = Storage()
    size = int(attributes["size_mib"]) * MIB + (HEADER_BYTES if encrypted else 0)
    with storage.open(pool, name) as handle:
        if handle.size() > size:
            raise AgentError(f"volume {name} has {handle.size() // MIB} MiB; making it smaller would cut off data")
        if handle.size() < size:
            step("growing")
            handle.resize(size)
        handle.metadata_set(META, json.dumps(attributes, sort_keys=True))


def volume_delete(step: Step, pool: str, name: str) -> None:
    """Delete a volume that is ours, and its data."""
    storage = Storage()
    if storage.attributes(pool, name) is not None:
        storage.remove(pool, name, step)


def seed(step: Step, pool: str, name: str, digest: str, files: dict[str, str]) -> None:
    """Write a cloud-init NoCloud disk; a VM reads it at its next start.

    Args:
        step: called with what is being done.
        pool: pool of the RBD image.
        name: RBD image.
        digest: of the contents; remembered last, so that a half-written disk is written again.
        files: name in the disk → text.
    """
    storage = Storage()
    with tempfile.TemporaryDirectory(dir="/run") as folder:
        root = Path(folder, "root")
        root.mkdir()
        for file, text in files.items():
            (root / file).write_text(text, encoding="utf-8")
        run(["xorriso", "-as", "mkisofs", "-quiet", "-V", "CIDATA", "-J", "-R", "-o", f"{folder}/seed", str(root)])
        content = Path(folder, "seed").read_bytes()
    size = -(-len(content) // MIB) * MIB
    existing = storage.attributes(pool, name)
    if existing is None:
        with storage.context(pool) as context:
            storage.rbd.create(context, name, size, order=OBJECT_ORDER, old_format=False)
    with storage.open(pool, name) as handle:
        handle.metadata_set(META, json.dumps({"seed": ""}))
        if handle.size() < size:
            handle.resize(size)
        handle.write(content, 0)
        handle.flush()
        handle.metadata_set(META, json.dumps({"seed": digest}, sort_keys=True))
