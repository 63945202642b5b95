"""C-GET: reading series back over the association that asks for them."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom import Dataset
from pynetdicom import build_context, evt

from wardstack.archive.comparison import Comparer
from wardstack.archive.config import VerifyConfig
from wardstack.archive.dimse import (
    GET,
    SUCCESS,
    Interrupted,
    associate,
    describe,
    receiver_roles,
    release,
    storage_contexts,
)
from wardstack.archive.ledger import Acknowledged


def get_series(config: VerifyConfig, records: Sequence[Acknowledged], comparer: Comparer) -> None:
    """Read one series by C-GET and compare what comes.

    Args:
        config: Where from.
        records: The ledger's records of the series, at least one.
        comparer: Takes each data set as it was received.

    Raises:
        Interrupted: The retrieval did not end with success.
    """

    def received(event: evt.Event) -> int:
        comparer.take(
            str(event.request.AffectedSOPInstanceUID),
            str(event.context.transfer_syntax),
            event.request.DataSet.getvalue(),
        )
        return SUCCESS

    contexts = storage_contexts((item.sop_class, item.transfer_syntax) for item in records)
    association = associate(
        config,
        [build_context(GET), *contexts],
        handlers=[(evt.EVT_C_STORE, received)],
        roles=receiver_roles(contexts),
    )
    query = Dataset()
    query.QueryRetrieveLevel = "SERIES"
    query.StudyInstanceUID = records[0].study_uid
    query.SeriesInstanceUID = records[0].series_uid
    last: int | None = None
    for status, _ in association.send_c_get(query, GET):
        last = status.get("Status")
        if last is None:
            break
    if association.is_established:
        release(association)
    if last != SUCCESS:
        raise Interrupted(f"C-GET: {describe(last)}")
