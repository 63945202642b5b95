"""Generated studies: real DICOM, and the same for the same seed."""

from __future__ import annotations

import itertools
import uuid

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.valuerep import PersonName

from wardstack.archive.instance import Instance, parse
from wardstack.archive.patient import PATIENTS
from wardstack.archive.studies import Recipe, load, proof, proof_counts, proof_kinds, study_uid
from wardstack.archive.uids import derive

SMALL = Recipe(uuid.UUID(int=1), matrix=32, ct_slices=3, mr_slices=2, us_frames=2)


@pytest.fixture(scope="module")
def instances() -> list[Instance]:
    return list(proof(SMALL))


@settings(max_examples=5, deadline=None)
@given(st.uuids(), st.sampled_from([16, 24]))
def test_the_same_seed_gives_the_same_bytes(seed: uuid.UUID, matrix: int) -> None:
    recipe = Recipe(seed, matrix=matrix, ct_slices=2, mr_slices=1, us_frames=2)
    assert list(proof(recipe)) == list(proof(recipe))


@settings(max_examples=5, deadline=None)
@given(st.uuids(), st.uuids())
def test_another_seed_gives_other_identifiers(one: uuid.UUID, other: uuid.UUID) -> None:
    if one == other:
        return
    first, second = (
        {part.sop_uid for part in proof(Recipe(seed, matrix=16, ct_slices=1, mr_slices=1, us_frames=1))}
        for seed in (one, other)
    )
    assert not first & second


@given(st.uuids(), st.lists(st.one_of(st.text(max_size=8), st.integers()), max_size=4))
def test_uids_are_valid(seed: uuid.UUID, names: list[str | int]) -> None:
    uid = derive(seed, *names)
    assert len(uid) <= 64
    assert uid.startswith("2.25.")
    assert str(int(uid.removeprefix("2.25."))) == uid.removeprefix("2.25.")


def test_a_uid_depends_on_where_names_end() -> None:
    assert derive(SMALL.seed, "a", "bc") != derive(SMALL.seed, "ab", "c")


def test_every_object_has_its_own_uid_and_its_study(instances: list[Instance]) -> None:
    assert len({item.sop_uid for item in instances}) == len(instances)
    for key, count in proof_counts(SMALL).items():
        assert sum(item.study_uid == study_uid(SMALL, key) for item in instances) == count


def test_every_kind_is_announced(instances: list[Instance]) -> None:
    assert {(item.sop_class, item.transfer_syntax) for item in instances} == set(proof_kinds())


def test_names_are_readable_in_every_character_set(instances: list[Instance]) -> None:
    names = {str(PersonName(parse(item.data, item.transfer_syntax).PatientName)) for item in instances}
    assert names == {patient.name for key, patient in PATIENTS.items() if key != "LOAD"}


def test_pixels_are_what_was_drawn(instances: list[Instance]) -> None:
    for item in instances:
        dataset = parse(item.data, item.transfer_syntax)
        if "PixelData" not in dataset:
            continue
        pixels = dataset.pixel_array
        assert pixels.std() > 10
        frames = int(dataset.get("NumberOfFrames", 1))
        assert pixels.size == frames * dataset.Rows * dataset.Columns * dataset.SamplesPerPixel


def test_compressed_pixels_lose_nothing(instances: list[Instance]) -> None:
    from wardstack.archive import phantom

    compressed = [
        item
        for item in instances
        if not parse(item.data, item.transfer_syntax).file_meta.TransferSyntaxUID.endswith("1.2.1")
    ]
    assert len(compressed) == 2
    for item in compressed:
        drawn = phantom.radiograph(2 * SMALL.matrix, item.sop_uid)
        assert np.array_equal(parse(item.data, item.transfer_syntax).pixel_array, drawn)
        assert len(item.data) < drawn.nbytes


def test_the_document_is_a_pdf(instances: list[Instance]) -> None:
    (document,) = (item for item in instances if item.study_uid == study_uid(SMALL, "DOC"))
    dataset = parse(document.data, document.transfer_syntax)
    content = dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength]
    assert content.startswith(b"%PDF-1.4")
    start = int(content.split(b"startxref\n")[1].split(b"\n")[0])
    assert content[start:].startswith(b"xref")


def test_the_second_study_goes_on_as_long_as_it_is_asked() -> None:
    some = list(itertools.islice(load(SMALL, "run-1"), 3 * SMALL.ct_slices))
    assert len({item.sop_uid for item in some}) == len(some)
    assert len({item.study_uid for item in some}) == 1
    assert next(load(SMALL, "run-2")).study_uid != some[0].study_uid
