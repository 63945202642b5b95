"""Whether stored studies are found: C-FIND, QIDO-RS, and the whole ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from wardstack.archive import query
from wardstack.archive.config import VerifyConfig
from wardstack.archive.dimse import Interrupted
from wardstack.archive.ledger import Acknowledged
from wardstack.archive.patient import PATIENTS
from wardstack.archive.report import Check
from wardstack.archive.studies import Recipe, proof_counts, study_uid
from wardstack.archive.web import Web, WebError

#: What a search gives, in one form for both ways: study UID to its patient's
#: name and number of objects.
Found = dict[str, tuple[str, int]]
Search = Callable[..., Found]


def search_by_dimse(config: VerifyConfig) -> Search:
    """Return a search for studies by C-FIND."""

    def search(**keys: str) -> Found:
        return {
            str(item.StudyInstanceUID): (
                _trimmed(str(item.get("PatientName", ""))),
                int(item.get("NumberOfStudyRelatedInstances") or 0),
            )
            for item in query.studies(config, **keys)
        }

    return search


def search_by_web(web: Web) -> Search:
    """Return a search for studies by QIDO-RS."""

    def search(**keys: str) -> Found:
        found: Found = {}
        for item in web.studies(**keys):
            names = (item.get("00100010", {}).get("Value") or [{}])[0]
            name = "=".join(names.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic"))
            count = (item.get("00201208", {}).get("Value") or [0])[0]
            found[str(item["0020000D"]["Value"][0])] = (_trimmed(name), int(count))
        return found

    return search


def _trimmed(name: str) -> str:
    """Drop empty groups at the end, which mean nothing (PS3.5 6.2.1.1)."""
    return name.rstrip("=").rstrip()


def check_finding(way: str, search: Search, recipe: Recipe, required_scripts: bool) -> list[Check]:
    """Look for the studies of the proof in the ways that people do.

    Args:
        way: ``C-FIND`` or ``QIDO-RS``, for the text.
        search: How to search.
        recipe: What was stored.
        required_scripts: Whether names in Chinese characters have to be found.

    Returns:
        The checks.
    """
    counts = proof_counts(recipe)
    uids = {key: study_uid(recipe, key) for key in counts}
    wanted = {uids[key]: (_trimmed(PATIENTS[key].name), count) for key, count in counts.items()}

    def by_patient() -> str:
        for key, uid in uids.items():
            patient_id = PATIENTS[key].identifier(recipe.prefix)
            found = search(PatientID=patient_id)
            if {uid: found.get(uid)} != {uid: wanted[uid]} or len(found) != 1:
                raise LookupError(f"{patient_id}: found {found}, not {wanted[uid]} as study {uid}")
        return f"{len(uids)} patients, names as sent in every script"

    def by_uid() -> str:
        for uid in uids.values():
            if set(search(StudyInstanceUID=uid)) != {uid}:
                raise LookupError(f"study {uid} is not found")
        return f"{len(uids)} studies"

    def by_name() -> str:
        found = search(PatientName="Ward*")
        missing = set(uids.values()) - set(found)
        if missing:
            raise LookupError(f"Ward* finds {len(found)} studies, without {sorted(missing)}")
        return f"Ward*: {len(found)} studies"

    def by_script() -> str:
        for pattern, key in (("*张*", "CT"), ("*王*", "MR")):
            if uids[key] not in search(PatientName=pattern):
                raise LookupError(f"{pattern} does not find study {uids[key]}")
        return "*张* (stored in UTF-8), *王* (stored in GB18030)"

    return [
        attempt("STD-06.9", f"{way} finds each study by Patient ID", by_patient),
        attempt("STD-06.9", f"{way} finds each study by its UID", by_uid),
        attempt("STD-06.9", f"{way} finds the studies by the beginning of a name", by_name),
        attempt("STD-06.9", f"{way} finds a name by its Chinese characters", by_script, required_scripts),
    ]


def check_inventory(config: VerifyConfig, recipe: Recipe, records: Iterable[Acknowledged]) -> Check:
    """Look whether the archive lists every object of the ledger.

    Studies whose number of objects is the ledger's are taken as complete; of
    the others every object is looked up.

    Args:
        config: Where to ask.
        recipe: Tells under which Patient IDs objects were sent.
        records: The ledger.

    Returns:
        The check.
    """
    ledger = list(records)

    def look() -> str:
        listed = search_by_dimse(config)(PatientID=f"{recipe.prefix}-*")
        studies = Counter(record.study_uid for record in ledger)
        doubtful = {uid for uid, count in studies.items() if listed.get(uid, ("", 0))[1] != count}
        series = {(item.study_uid, item.series_uid) for item in ledger if item.study_uid in doubtful}
        present = {uid for study, part in series for uid in query.instances(config, study, part)}
        lost = [item.sop_uid for item in ledger if item.study_uid in doubtful and item.sop_uid not in present]
        if lost:
            raise LookupError(f"{len(lost)} acknowledged objects are not listed, first {sorted(lost)[:3]}")
        return f"{len(ledger)} objects in {len(studies)} studies"

    return attempt("STD-06.4", "the archive lists every object of the ledger", look)


def attempt(clause: str, name: str, look: Callable[[], str], required: bool = True) -> Check:
    """Make a check of something that returns what it found or raises why not."""
    try:
        return Check(clause, name, True, look(), required)
    except (LookupError, Interrupted, WebError) as error:
        return Check(clause, name, False, str(error), required)
