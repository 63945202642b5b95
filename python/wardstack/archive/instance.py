"""One SOP instance: its identity, its exact bytes, and its digests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from io import BytesIO

from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import UID, ExplicitVRLittleEndian

from wardstack.archive.canonical import canonical_digest

_PREAMBLE = b"\0" * 128 + b"DICM"

#: Names this software in the file meta header (PS3.7 D.3.3.2.1).
IMPLEMENTATION_CLASS_UID = UID("2.25.268462157372034866063254110817297441473")


@dataclass(frozen=True)
class Instance:
    """A SOP instance ready to be sent.

    Attributes:
        study_uid: Study Instance UID.
        series_uid: Series Instance UID.
        sop_class: SOP Class UID.
        sop_uid: SOP Instance UID.
        transfer_syntax: Transfer Syntax UID of ``data``.
        patient_id: Patient ID.
        data: The encoded data set, without file meta header: the bytes sent.
        sha256: SHA-256 of ``data``, hexadecimal.
        canonical: SHA-256 of the data set in its canonical encoding, see
            :mod:`wardstack.archive.canonical`.
    """

    study_uid: str
    series_uid: str
    sop_class: str
    sop_uid: str
    transfer_syntax: str
    patient_id: str
    data: bytes
    sha256: str
    canonical: str

    def part10(self) -> bytes:
        """Return the instance as a DICOM file (PS3.10)."""
        return part10_header(self.sop_class, self.sop_uid, self.transfer_syntax) + self.data

    def relabelled(self, sop_uid: str) -> Instance:
        """Return the same content as another object, without encoding it again.

        Args:
            sop_uid: The new SOP Instance UID, as long as the old one.

        Raises:
            ValueError: It has another length.
        """
        if len(sop_uid) != len(self.sop_uid):
            raise ValueError(f"{sop_uid} is not as long as {self.sop_uid}")
        data = self.data.replace(self.sop_uid.encode(), sop_uid.encode())
        # Only who reads objects back needs their canonical digest.
        return replace(self, sop_uid=sop_uid, data=data, sha256=hashlib.sha256(data).hexdigest(), canonical="")


def from_dataset(dataset: Dataset, transfer_syntax: str = ExplicitVRLittleEndian) -> Instance:
    """Encode a data set once; these bytes are what is sent and compared.

    Args:
        dataset: A complete data set, without file meta elements.
        transfer_syntax: A little endian transfer syntax; for a compressed one
            the pixel data must already be encapsulated.

    Returns:
        The instance.
    """
    syntax = UID(transfer_syntax)
    buffer = DicomBytesIO()
    buffer.is_little_endian = True
    buffer.is_implicit_VR = syntax.is_implicit_VR
    write_dataset(buffer, dataset)
    return from_bytes(buffer.getvalue(), transfer_syntax)


def from_bytes(data: bytes, transfer_syntax: str) -> Instance:
    """Make an instance of an encoded data set.

    Args:
        data: The encoded data set, without file meta header.
        transfer_syntax: Its transfer syntax UID.

    Returns:
        The instance.
    """
    dataset = parse(data, transfer_syntax)
    return Instance(
        study_uid=str(dataset.StudyInstanceUID),
        series_uid=str(dataset.SeriesInstanceUID),
        sop_class=str(dataset.SOPClassUID),
        sop_uid=str(dataset.SOPInstanceUID),
        transfer_syntax=str(transfer_syntax),
        patient_id=str(dataset.get("PatientID", "")),
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        canonical=canonical_digest(data, transfer_syntax),
    )


def parse(data: bytes, transfer_syntax: str) -> Dataset:
    """Read an encoded data set.

    Args:
        data: The encoded data set, without file meta header.
        transfer_syntax: Its transfer syntax UID.

    Returns:
        The data set.

    Raises:
        pydicom.errors.InvalidDicomError: The bytes are no DICOM data set.
    """
    header = part10_header("1.2.840.10008.1.1", "2.25.0", transfer_syntax)
    return dcmread(BytesIO(header + data))


def part10_header(sop_class: str, sop_uid: str, transfer_syntax: str) -> bytes:
    """Return preamble, prefix and file meta header of a DICOM file (PS3.10 7.1)."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(sop_uid)
    meta.TransferSyntaxUID = UID(transfer_syntax)
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = "WARDSTACK"
    buffer = DicomBytesIO()
    write_file_meta_info(buffer, meta)
    return _PREAMBLE + buffer.getvalue()


def split_part10(content: bytes) -> tuple[str, bytes]:
    """Split a DICOM file into its transfer syntax and its data set bytes.

    Args:
        content: A DICOM file.

    Returns:
        The transfer syntax UID, and the bytes after the file meta header,
        untouched.

    Raises:
        ValueError: It is no DICOM file, or its header lacks its length.
    """
    if content[128:132] != b"DICM":
        raise ValueError("not a DICOM file: the prefix DICM is missing")
    # (0002,0000) UL 4: the header's length, always first (PS3.10 7.1).
    if content[132:140] != b"\x02\x00\x00\x00UL\x04\x00":
        raise ValueError("the file meta header does not begin with its group length")
    end = 144 + int.from_bytes(content[140:144], "little")
    # Elements are read up to the data set, which is never parsed here.
    meta = dcmread(BytesIO(content[:end]), force=True).file_meta
    return str(meta.TransferSyntaxUID), content[end:]
