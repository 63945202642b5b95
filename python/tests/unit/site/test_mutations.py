"""Whatever is done to a document, it is loaded or refused with places and words, never with a traceback."""

from __future__ import annotations

import copy
import datetime as dt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wardstack.blueprint import ImageInfo, compile_blueprint
from wardstack.site import load_site
from wardstack.standards import DocumentErrors

ROOT = Path(__file__).resolve().parents[4]
STANDARDS = ROOT / "docs" / "standards"
LAB = ROOT / "inventories" / "lab"
TODAY = dt.date(2026, 11, 24)
TEXTS = {
    "site.yml": (LAB / "site.yml").read_text(encoding="utf-8"),
    "hosts.yml": (LAB / "hosts.yml").read_text(encoding="utf-8"),
    "deviations.yml": "---\ndeviations:\n  - {clause: STD-09.2, parameter: log_retention_days, value: 90, reason: r,"
    " risk: r, approver: a, approved: 2026-11-01, expires: 2027-01-01}\n",
    **{path.name: path.read_text(encoding="utf-8") for path in STANDARDS.glob("[0-9][0-9]-*.yml")},
}
HOSTILE = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(), st.text(max_size=20),
    st.lists(st.one_of(st.integers(), st.text(max_size=5)), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)  # fmt: skip


def _outcome(name: str, content: bytes) -> None:
    """Load a site one of whose documents has this content; any other exception than DocumentErrors fails the test."""
    with TemporaryDirectory() as folder:
        site, standards = Path(folder) / "site", Path(folder) / "standards"
        site.mkdir()
        standards.mkdir()
        for path in STANDARDS.glob("*.yml"):
            (standards / path.name).symlink_to(path)
        for file in ("site.yml", "hosts.yml"):
            (site / file).write_text(TEXTS[file], encoding="utf-8")
        target = standards / name if name[0].isdigit() else site / name
        target.unlink(missing_ok=True)
        target.write_bytes(content)
        try:
            loaded = load_site(site, standards, TODAY)
            # What was accepted can be compiled: no later step meets a value that it cannot use.
            assert loaded.groups()
            assert compile_blueprint(loaded, ImageInfo("/image", "0" * 64), "ssh-ed25519 KEY").to_json()
        except DocumentErrors as errors:
            assert errors.problems
            assert all(problem.mark.line >= 1 and problem.message for problem in errors.problems)
            assert str(errors)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] + [found for key, child in children for found in _paths(child, (*path, key))]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), name=st.sampled_from(sorted(TEXTS)))
def test_a_value_of_another_type(data: st.DataObject, name: str) -> None:
    document = copy.deepcopy(yaml.safe_load(TEXTS[name]))
    path = data.draw(st.sampled_from(_paths(document)))
    value = data.draw(HOSTILE)
    if not path:
        document = value
    else:
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = value
    _outcome(name, yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "replace"))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), name=st.sampled_from(sorted(TEXTS)))
def test_a_missing_or_renamed_key(data: st.DataObject, name: str) -> None:
    document = copy.deepcopy(yaml.safe_load(TEXTS[name]))
    path = data.draw(st.sampled_from([path for path in _paths(document) if path]))
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    value = parent.pop(path[-1])
    if isinstance(parent, dict) and data.draw(st.booleans()):
        parent[data.draw(st.text(max_size=8))] = value
    _outcome(name, yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "replace"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), name=st.sampled_from(sorted(TEXTS)))
def test_a_truncated_or_damaged_file(data: st.DataObject, name: str) -> None:
    raw = TEXTS[name].encode()
    start = data.draw(st.integers(0, len(raw)))
    length = data.draw(st.integers(0, 40))
    _outcome(name, raw[:start] + data.draw(st.binary(max_size=12)) + raw[start + length :])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(content=st.binary(max_size=200), name=st.sampled_from(sorted(TEXTS)))
def test_any_bytes(content: bytes, name: str) -> None:
    _outcome(name, content)
