"""The patients of the generated studies: nobody, in the scripts of several languages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Patient:
    """An invented patient.

    Attributes:
        key: Short name of the study that the patient is for.
        name: DICOM person name, ideographic group included.
        character_set: Specific Character Set (PS3.3 C.12.1.1.2); empty for the
            default repertoire.
        birth_date: YYYYMMDD.
        sex: ``M``, ``F`` or ``O``.
    """

    key: str
    name: str
    character_set: str
    birth_date: str
    sex: str

    def identifier(self, prefix: str) -> str:
        """Return the Patient ID under a site's prefix."""
        return f"{prefix}-{self.key}"


#: One patient for each study. All family names begin with ``Ward`` in the
#: alphabetic group, so that one wildcard finds these patients and no real one.
PATIENTS = {
    patient.key: patient
    for patient in (
        Patient("CT", "WardZhang^Wei=张^伟", "ISO_IR 192", "19620317", "M"),
        Patient("MR", "WardWang^Xiaodong=王^小东", "GB18030", "19880914", "F"),
        Patient("US", "WardMüller^Jürgen", "ISO_IR 100", "19511202", "M"),
        Patient("DOC", "WardLi^Na=李^娜", "ISO_IR 192", "19770625", "F"),
        Patient("CR", "WardDoe^Jane", "", "19940101", "F"),
        Patient("LOAD", "WardChen^Jing=陈^静", "GB18030", "20010830", "F"),
    )
}
