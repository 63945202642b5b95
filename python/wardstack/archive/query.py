"""C-FIND in the study root information model."""

from __future__ import annotations

from pydicom import Dataset
from pynetdicom import build_context

from wardstack.archive.config import VerifyConfig
from wardstack.archive.dimse import FIND, SUCCESS, Interrupted, associate, describe, release

_PENDING = (0xFF00, 0xFF01)


def find(config: VerifyConfig, identifier: Dataset) -> list[Dataset]:
    """Send a C-FIND.

    Args:
        config: Where to.
        identifier: The query, Query/Retrieve Level included.

    Returns:
        The matches.

    Raises:
        Interrupted: It did not end with success.
    """
    association = associate(config, [build_context(FIND)])
    matches: list[Dataset] = []
    last: int | None = None
    for status, match in association.send_c_find(identifier, FIND):
        last = status.get("Status")
        if last in _PENDING and match is not None:
            matches.append(match)
    if association.is_established:
        release(association)
    if last != SUCCESS:
        raise Interrupted(f"C-FIND: {describe(last)}")
    return matches


def studies(config: VerifyConfig, **keys: str) -> list[Dataset]:
    """Find studies.

    Args:
        config: Where to.
        keys: Matching keys by keyword, wildcards allowed.

    Returns:
        One data set for each study.
    """
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    # Names in any script have to be found: both sides speak UTF-8.
    query.SpecificCharacterSet = "ISO_IR 192"
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "StudyDescription"):
        setattr(query, keyword, "")
    query.NumberOfStudyRelatedInstances = None
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    return find(config, query)


def instances(config: VerifyConfig, study_uid: str, series_uid: str) -> list[str]:
    """Return the SOP Instance UIDs that the archive lists for a series."""
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    query.StudyInstanceUID = study_uid
    query.SeriesInstanceUID = series_uid
    query.SOPInstanceUID = ""
    return [str(match.SOPInstanceUID) for match in find(config, query)]
