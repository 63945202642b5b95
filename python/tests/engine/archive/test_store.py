"""What a real archive does with single objects: duplicates, other encodings, other peers."""

from __future__ import annotations

import itertools
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.archive.rig import Archive, wait_for
from tests.unit.archive.test_comparison import acknowledged, undefined_lengths
from wardstack.archive.comparison import Comparer, Comparison
from wardstack.archive.config import VerifyConfig
from wardstack.archive.dimse import associate, quiet, release, storage_contexts, store
from wardstack.archive.instance import Instance, from_bytes, from_dataset, parse, split_part10
from wardstack.archive.ledger import Ledger
from wardstack.archive.reading import READERS
from wardstack.archive.studies import Recipe, proof, proof_kinds
from wardstack.archive.uids import derive
from wardstack.archive.workload import Workload


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet()


def fresh() -> list[Instance]:
    """Objects that no archive has seen."""
    return list(proof(Recipe(uuid.uuid4(), matrix=32, ct_slices=3, mr_slices=2, us_frames=2)))


def send(config: VerifyConfig, *items: Instance) -> list[int]:
    association = associate(config, storage_contexts((item.sop_class, item.transfer_syntax) for item in items))
    statuses = [store(association, item, number) for number, item in enumerate(items, 1)]
    release(association)
    return statuses


def returned(config: VerifyConfig, way: str, item: Instance) -> Comparison:
    comparer = Comparer([acknowledged(item)])
    READERS[way](config, [acknowledged(item)], comparer)
    return comparer.result()


@pytest.mark.parametrize("way", list(READERS))
def test_a_duplicate_leaves_the_first_object_untouched(archive: Archive, way: str) -> None:
    """STD-06.8."""
    item = fresh()[0]
    dataset = parse(item.data, item.transfer_syntax)
    dataset.PatientName = "Somebody^Else"
    other = from_dataset(dataset, item.transfer_syntax)
    assert other.sop_uid == item.sop_uid
    assert send(archive.config, item, item, other, item) == [0, 0, 0, 0]
    result = returned(archive.config, way, item)
    assert (result.identical, result.repeated) == (1, 0)


@pytest.mark.parametrize("way", list(READERS))
def test_an_object_with_undefined_lengths_keeps_every_value(archive: Archive, way: str) -> None:
    plain = fresh()[0]
    item = from_bytes(undefined_lengths(plain), plain.transfer_syntax)
    assert send(archive.config, item) == [0]
    result = returned(archive.config, way, item)
    # Orthanc writes sequences with explicit length: the bytes differ, no value does.
    assert (result.identical, result.reencoded, result.ok) == (0, 1, True)


def test_what_is_already_acknowledged_is_not_sent_again(archive: Archive, state: Path) -> None:
    items = fresh()
    with Ledger(state) as ledger:
        first = Workload(archive.config, items[:3], proof_kinds(), ledger, "one").send()
        second = Workload(archive.config, items + items, proof_kinds(), ledger, "two").send()
    assert len(first.acknowledged) == 3
    # Some may have been in two senders' hands at once: acknowledged twice, counted once.
    assert sorted([*first.acknowledged, *second.acknowledged]) == sorted(item.sop_uid for item in items)
    assert second.already == 2 * len(items) - len(second.acknowledged)


def test_a_status_of_failure_is_tried_again_and_given_up(archive: Archive, state: Path) -> None:
    # No Study Instance UID of the object's own: Orthanc cannot index it (0xC000).
    item = fresh()[0]
    broken = replace(item, data=item.data.replace(item.study_uid.encode(), b" " * len(item.study_uid)))
    config = replace(archive.config, attempts=2)
    with Ledger(state) as ledger:
        report = Workload(config, [broken], proof_kinds(), ledger, "one").send()
        assert len(ledger) == 0
    assert report.given_up == (item.sop_uid,)
    assert report.failed_tries == 2
    assert report.failures[0].text.startswith("status 0x")


def test_an_archive_that_is_not_there_is_waited_for_and_then_given_up(archive: Archive, state: Path) -> None:
    config = replace(archive.config, dicom_port=2763, patience=1.0)
    items = fresh()[:1]
    with Ledger(state) as ledger:
        report = Workload(config, items, proof_kinds(), ledger, "one").send()
    assert report.given_up == (items[0].sop_uid,)
    assert report.failed_tries >= 2


@pytest.fixture
def storescp(archive: Archive, tmp_path: Path) -> Iterator[tuple[VerifyConfig, Path]]:
    """Debian's dcmtk with mutual TLS, keeping what it receives bit by bit."""
    folder = tmp_path / "received"
    folder.mkdir()
    certificate, key = archive.authority.issue("storescp")
    command = [
        "storescp",
        "--aetitle",
        "WARDSTACK",
        "--output-directory",
        str(folder),
        "--bit-preserving",
        "--prefer-always",
    ]
    command = ["storescp", "-aet", "WARDSTACK", "-od", str(folder), "+B", "+xa", "+tls", str(key), str(certificate)]
    command += ["+cf", str(archive.authority.ca), "-rc", "--fork", "2764"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"TCP_NODELAY": "1", "PATH": "/usr/bin"}
    )
    try:
        wait_for(2764, process)
        yield replace(archive.config, dicom_port=2764), folder
    finally:
        process.kill()
        process.wait()


def test_dcmtk_receives_the_very_bytes(storescp: tuple[VerifyConfig, Path], state: Path) -> None:
    config, folder = storescp
    items = fresh()
    with Ledger(state) as ledger:
        report = Workload(config, items, proof_kinds(), ledger, "one").send()
    assert len(report.acknowledged) == len(items), report.failures
    received = [split_part10(path.read_bytes()) for path in folder.iterdir()]
    assert sorted(received) == sorted((item.transfer_syntax, item.data) for item in items)


def test_no_acknowledgement_is_lost_on_a_busy_machine(archive: Archive, state: Path) -> None:
    """Eight senders in one interpreter, back to back: pynetdicom's own thread used to swallow some answers."""
    recipe = Recipe(uuid.uuid4(), matrix=8)
    template = fresh()[0]
    fitting = (uid for number in itertools.count() if len(uid := derive(recipe.seed, number)) == len(template.sop_uid))
    uids = list(itertools.islice(fitting, 400))
    config = replace(archive.config, associations=8, timeout=5.0)
    with Ledger(state) as ledger:
        items = (template.relabelled(uid) for uid in uids)
        report = Workload(config, items, proof_kinds(), ledger, "busy").send()
    assert report.failures == ()
    assert len(report.acknowledged) == len(uids)
