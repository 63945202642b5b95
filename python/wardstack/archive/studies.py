"""The studies that prove an archive, generated: same seed, same bytes.

Matrices are small so that an archive on emulated CPUs copes; everything else
(modules, identifiers, character sets, private elements, sequences) is as
devices write it. No study contains data of a person.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    MRImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from wardstack.archive import phantom
from wardstack.archive.compression import encapsulated
from wardstack.archive.document import report_pdf
from wardstack.archive.instance import Instance, from_dataset
from wardstack.archive.patient import PATIENTS
from wardstack.archive.uids import derive


@dataclass(frozen=True)
class Recipe:
    """What to generate.

    Attributes:
        seed: The site's seed.
        date: Study date, YYYYMMDD.
        matrix: Rows and columns of CT and MR slices.
        ct_slices: Slices of the CT series.
        mr_slices: Slices of the MR series.
        us_frames: Frames of the ultrasound loop.
    """

    seed: uuid.UUID
    date: str = "20260105"
    matrix: int = 96
    ct_slices: int = 100
    mr_slices: int = 20
    us_frames: int = 20

    @property
    def prefix(self) -> str:
        """Prefix of every Patient ID, unique to the seed."""
        return f"WSV-{self.seed.hex[:8].upper()}"


def study_uid(recipe: Recipe, key: str, run: str = "") -> str:
    """Return the Study Instance UID of a patient's study."""
    return derive(recipe.seed, key, run, "study")


def proof_counts(recipe: Recipe) -> dict[str, int]:
    """Return how many objects each study of the proof has, by patient key."""
    return {"CT": recipe.ct_slices, "MR": recipe.mr_slices, "US": 1, "DOC": 1, "CR": 2}


def proof_kinds() -> list[tuple[str, str]]:
    """Return SOP class and transfer syntax of everything generated here."""
    plain = (CTImageStorage, MRImageStorage, UltrasoundMultiFrameImageStorage, EncapsulatedPDFStorage)
    compressed = (JPEG2000Lossless, JPEGLSLossless)
    return [(str(kind), str(ExplicitVRLittleEndian)) for kind in plain] + [
        (str(ComputedRadiographyImageStorage), str(syntax)) for syntax in compressed
    ]


def proof(recipe: Recipe) -> Iterator[Instance]:
    """Generate the five studies of the proof, in the order of sending.

    Args:
        recipe: What to generate.

    Yields:
        CT slices, MR slices, an ultrasound loop, a PDF, and one radiograph
        each in JPEG 2000 and JPEG-LS (both lossless).
    """
    for number in range(1, recipe.ct_slices + 1):
        yield _ct(recipe, "CT", recipe.ct_slices, number)
    for number in range(1, recipe.mr_slices + 1):
        yield _mr(recipe, number)
    yield _ultrasound(recipe)
    yield _document(recipe)
    yield _radiograph(recipe, "PA", 1, JPEG2000Lossless)
    yield _radiograph(recipe, "LATERAL", 2, JPEGLSLossless)


def load(recipe: Recipe, run: str) -> Iterator[Instance]:
    """Generate a CT study without end, for sending while something happens.

    Args:
        recipe: What to generate.
        run: Names the run; another run, another study.

    Yields:
        CT slices; the series goes on as long as it is asked.
    """
    number = 0
    while True:
        number += 1
        yield _ct(recipe, "LOAD", recipe.ct_slices, number, run)


def _common(recipe: Recipe, key: str, description: str, run: str = "") -> Dataset:
    """Patient, study, equipment: what every object of a study shares."""
    patient = PATIENTS[key]
    ds = Dataset()
    if patient.character_set:
        ds.SpecificCharacterSet = patient.character_set
    ds.InstanceCreationDate = recipe.date
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = recipe.date
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = "081500"
    ds.AccessionNumber = derive(recipe.seed, key, run, "accession")[-12:]
    ds.Manufacturer = "Wardstack"
    ds.InstitutionName = "Wardstack phantom department"
    ds.ReferringPhysicianName = "Phantom^Physician"
    ds.StationName = f"PHANTOM-{key}"
    ds.StudyDescription = description
    ds.ManufacturerModelName = "Phantom generator"
    ds.PatientName = patient.name
    ds.PatientID = patient.identifier(recipe.prefix)
    ds.PatientBirthDate = patient.birth_date
    ds.PatientSex = patient.sex
    ds.DeviceSerialNumber = recipe.prefix
    ds.SoftwareVersions = "1"
    ds.StudyInstanceUID = study_uid(recipe, key, run)
    ds.StudyID = key
    return ds


def _series(ds: Dataset, recipe: Recipe, modality: str, number: int, run: str = "") -> None:
    ds.Modality = modality
    ds.SeriesNumber = number
    ds.SeriesInstanceUID = derive(recipe.seed, ds.StudyID, run, "series", number)


def _object(ds: Dataset, recipe: Recipe, sop_class: str, number: int, run: str = "") -> None:
    ds.SOPClassUID = sop_class
    ds.InstanceNumber = number
    ds.SOPInstanceUID = derive(recipe.seed, ds.StudyID, run, "series", int(ds.SeriesNumber), "object", number)


def _monochrome(ds: Dataset, rows: int, columns: int, bits: int, signed: bool) -> None:
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows = rows
    ds.Columns = columns
    ds.BitsAllocated = 16
    ds.BitsStored = bits
    ds.HighBit = bits - 1
    ds.PixelRepresentation = int(signed)


def _plane(ds: Dataset, recipe: Recipe, number: int, spacing: float, thickness: float) -> None:
    """Image Plane module (PS3.3 C.7.6.2), axial."""
    extent = -spacing * recipe.matrix / 2
    z = round((number - 1) * thickness, 3)
    ds.FrameOfReferenceUID = derive(recipe.seed, ds.StudyID, "frame of reference")
    ds.PositionReferenceIndicator = ""
    ds.ImagePositionPatient = [extent, extent, z]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.SliceLocation = z
    ds.SliceThickness = thickness
    ds.PixelSpacing = [spacing, spacing]
    ds.PatientPosition = "HFS"


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item


def _ct(recipe: Recipe, key: str, slices: int, number: int, run: str = "") -> Instance:
    ds = _common(recipe, key, "CT thorax (phantom)", run)
    _series(ds, recipe, "CT", 1, run)
    _object(ds, recipe, CTImageStorage, number, run)
    _plane(ds, recipe, number, spacing=4.0, thickness=3.0)
    _monochrome(ds, recipe.matrix, recipe.matrix, bits=16, signed=True)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.BodyPartExamined = "CHEST"
    ds.KVP = "120"
    ds.XRayTubeCurrent = 180
    ds.ExposureTime = 500
    ds.ConvolutionKernel = "B30f"
    ds.AcquisitionNumber = 1
    ds.RescaleIntercept = "-1024"
    ds.RescaleSlope = "1"
    ds.RescaleType = "HU"
    ds.WindowCenter = ["40", "-600"]
    ds.WindowWidth = ["400", "1600"]
    ds.ProcedureCodeSequence = Sequence([_code("24627-2", "LN", "CT Chest")])
    # Devices write private elements; an archive has to keep them.
    block = ds.private_block(0x0019, "WARDSTACK PHANTOM 1", create=True)
    block.add_new(0x01, "LO", f"slice {number} of {slices}")
    block.add_new(0x02, "FD", [number / 3.0, 1.0e-9])
    position = ((number - 1) % slices + 0.5) / slices
    hu = phantom.computed_tomography(recipe.matrix, position, str(ds.SOPInstanceUID))
    ds.PixelData = (hu + 1024).astype("<i2").tobytes()
    ds["PixelData"].VR = "OW"
    return from_dataset(ds)


def _mr(recipe: Recipe, number: int) -> Instance:
    ds = _common(recipe, "MR", "MR head (phantom)")
    _series(ds, recipe, "MR", 1)
    _object(ds, recipe, MRImageStorage, number)
    _plane(ds, recipe, number, spacing=2.4, thickness=5.0)
    _monochrome(ds, recipe.matrix, recipe.matrix, bits=12, signed=False)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "SE"]
    ds.BodyPartExamined = "HEAD"
    ds.ScanningSequence = "SE"
    ds.SequenceVariant = "SK"
    ds.ScanOptions = ""
    ds.MRAcquisitionType = "2D"
    ds.RepetitionTime = "520"
    ds.EchoTime = "12"
    ds.EchoTrainLength = 1
    ds.MagneticFieldStrength = "1.5"
    ds.FlipAngle = "90"
    ds.SeriesDescription = "T1 轴位"
    ds.WindowCenter = "900"
    ds.WindowWidth = "1800"
    position = (number - 0.5) / recipe.mr_slices
    signal = phantom.magnetic_resonance(recipe.matrix, position, str(ds.SOPInstanceUID))
    ds.PixelData = signal.astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"
    return from_dataset(ds)


def _ultrasound(recipe: Recipe) -> Instance:
    rows, columns = 72, 96
    ds = _common(recipe, "US", "US heart (phantom)")
    _series(ds, recipe, "US", 1)
    _object(ds, recipe, UltrasoundMultiFrameImageStorage, 1)
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.SamplesPerPixel = 3
    ds.PhotometricInterpretation = "RGB"
    ds.PlanarConfiguration = 0
    ds.NumberOfFrames = recipe.us_frames
    ds.FrameTime = "40"
    ds.FrameIncrementPointer = 0x00181063
    ds.Rows, ds.Columns = rows, columns
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.PixelRepresentation = 0
    ds.LossyImageCompression = "00"
    region = Dataset()
    region.RegionSpatialFormat = 1
    region.RegionDataType = 1
    region.RegionFlags = 0
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = columns - 1, rows - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.02
    ds.SequenceOfUltrasoundRegions = Sequence([region])
    loop = phantom.ultrasound(recipe.us_frames, rows, columns, str(ds.SOPInstanceUID))
    ds.PixelData = loop.tobytes()
    ds["PixelData"].VR = "OB"
    return from_dataset(ds)


def _document(recipe: Recipe) -> Instance:
    ds = _common(recipe, "DOC", "Report (phantom)")
    _series(ds, recipe, "DOC", 1)
    _object(ds, recipe, EncapsulatedPDFStorage, 1)
    ds.ConversionType = "WSD"
    ds.AcquisitionDateTime = f"{recipe.date}081500"
    ds.BurnedInAnnotation = "NO"
    ds.DocumentTitle = "检查报告"
    ds.ConceptNameCodeSequence = Sequence([_code("18748-4", "LN", "Diagnostic imaging report")])
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    pdf = report_pdf(
        "Report of a phantom",
        [f"Patient ID {ds.PatientID}", "No finding: this is no person."],
    )
    ds.EncapsulatedDocumentLength = len(pdf)
    ds.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    return from_dataset(ds)


def _radiograph(recipe: Recipe, view: str, series: int, transfer_syntax: str) -> Instance:
    ds = _common(recipe, "CR", "Chest radiograph (phantom)")
    _series(ds, recipe, "CR", series)
    _object(ds, recipe, ComputedRadiographyImageStorage, 1)
    size = 2 * recipe.matrix
    _monochrome(ds, size, size, bits=12, signed=False)
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.BodyPartExamined = "CHEST"
    ds.ViewPosition = "PA" if view == "PA" else "LL"
    ds.SeriesDescription = view
    ds.ImagerPixelSpacing = [0.8, 0.8]
    ds.LossyImageCompression = "00"
    pixels = phantom.radiograph(size, str(ds.SOPInstanceUID))
    ds.PixelData = encapsulated(np.ascontiguousarray(pixels), transfer_syntax)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return from_dataset(ds, transfer_syntax)
