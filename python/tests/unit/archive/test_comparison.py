"""Telling an identical, a re-encoded and a changed data set apart."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from wardstack.archive.comparison import Comparer
from wardstack.archive.instance import Instance, from_bytes, from_dataset, parse, split_part10
from wardstack.archive.ledger import Acknowledged
from wardstack.archive.studies import Recipe, proof

INSTANCES = list(proof(Recipe(uuid.UUID(int=2), matrix=16, ct_slices=1, mr_slices=1, us_frames=1)))


def acknowledged(item: Instance) -> Acknowledged:
    """The ledger's record of an instance."""
    return Acknowledged(
        item.sop_uid,
        item.sop_class,
        item.study_uid,
        item.series_uid,
        item.patient_id,
        item.transfer_syntax,
        len(item.data),
        item.sha256,
        item.canonical,
        "a/1",
        "now",
        "r",
    )


def undefined_lengths(item: Instance) -> bytes:
    """The same data set with sequences and items of undefined length, as many devices write it."""
    dataset = parse(item.data, item.transfer_syntax)
    for element in dataset:
        if element.VR == "SQ":
            element.value.is_undefined_length = True
            element.is_undefined_length = True
            for part in element.value:
                part.is_undefined_length_sequence_item = True
    return from_dataset(dataset, item.transfer_syntax).data


@pytest.mark.parametrize("item", INSTANCES, ids=lambda item: item.sop_class)
def test_a_file_keeps_the_data_set_bytes(item: Instance) -> None:
    assert split_part10(item.part10()) == (item.transfer_syntax, item.data)


@pytest.mark.parametrize("item", INSTANCES, ids=lambda item: item.sop_class)
def test_the_same_bytes_are_identical(item: Instance) -> None:
    comparer = Comparer([acknowledged(item)])
    comparer.take(item.sop_uid, item.transfer_syntax, item.data)
    result = comparer.result()
    assert (result.identical, result.reencoded, result.ok) == (1, 0, True)


def test_another_encoding_of_lengths_is_told_and_loses_nothing() -> None:
    item = next(one for one in INSTANCES if "ProcedureCodeSequence" in parse(one.data, one.transfer_syntax))
    other = undefined_lengths(item)
    assert other != item.data
    for sent, returned in ((item.data, other), (other, item.data)):
        one = from_bytes(sent, item.transfer_syntax)
        comparer = Comparer([acknowledged(one)])
        comparer.take(item.sop_uid, item.transfer_syntax, returned)
        result = comparer.result()
        assert (result.identical, result.reencoded, result.ok) == (0, 1, True)


@given(st.sampled_from(INSTANCES), st.data())
def test_a_changed_byte_is_a_difference(item: Instance, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(item.data) - 1))
    damaged = bytearray(item.data)
    damaged[place] ^= data.draw(st.integers(1, 255))
    comparer = Comparer([acknowledged(item)])
    comparer.take(item.sop_uid, item.transfer_syntax, bytes(damaged))
    assert comparer.result().identical == 0


@given(st.integers(0, 255), st.integers(1, 100))
def test_a_changed_value_is_never_taken_for_another_encoding(bit: int, place: int) -> None:
    item = INSTANCES[0]
    damaged = bytearray(item.data)
    # Pixels lie at the end.
    damaged[-place] ^= 1 + bit % 255
    comparer = Comparer([acknowledged(item)])
    comparer.take(item.sop_uid, item.transfer_syntax, bytes(damaged))
    assert comparer.result().different == (item.sop_uid,)


def test_another_transfer_syntax_is_a_difference() -> None:
    dataset = Dataset()
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = dataset.SOPInstanceUID = "2.25.9"
    dataset.SOPClassUID = "1.2"
    dataset.ReferencedStudySequence = Sequence()
    sent = from_dataset(dataset, ExplicitVRLittleEndian)
    returned = from_dataset(dataset, ImplicitVRLittleEndian)
    comparer = Comparer([acknowledged(sent)])
    comparer.take(sent.sop_uid, returned.transfer_syntax, returned.data)
    assert not comparer.result().ok


def test_missing_unexpected_and_repeated_objects_are_told() -> None:
    first, second, third = INSTANCES[:3]
    comparer = Comparer([acknowledged(first), acknowledged(second)])
    for item in (first, first, third):
        comparer.take(item.sop_uid, item.transfer_syntax, item.data)
    result = comparer.result()
    assert result.missing == (second.sop_uid,)
    assert result.unexpected == (third.sop_uid,)
    assert result.repeated == 1
    assert not result.ok


def test_of_several_answers_the_worst_counts() -> None:
    item = INSTANCES[0]
    comparer = Comparer([acknowledged(item)])
    for data in (item.data, item.data[:-2] + b"\xff\xfe", item.data):
        comparer.take(item.sop_uid, item.transfer_syntax, data)
    assert comparer.result().different == (item.sop_uid,)
