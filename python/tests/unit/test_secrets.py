"""Secrets of a site: generated once, never changed, never guessed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardstack.site.secrets import SecretError, SecretSpec, SecretStore


def test_generated_once_and_kept(tmp_path: Path) -> None:
    store = SecretStore(tmp_path / "site")
    specs = [SecretSpec("patroni_superuser"), SecretSpec("objects_key", "hex", 32)]
    assert store.ensure(specs) == ["patroni_superuser", "objects_key"]
    before = {spec.name: store.read(spec.name) for spec in specs}
    assert store.ensure(specs) == []
    assert {spec.name: store.read(spec.name) for spec in specs} == before


def test_only_the_owner_can_read(tmp_path: Path) -> None:
    store = SecretStore(tmp_path / "site")
    store.ensure([SecretSpec("a_password")])
    modes = [p.stat().st_mode & 0o777 for p in (tmp_path / "site", store.directory, store.path("a_password"))]
    assert modes == [0o700, 0o700, 0o600]
    assert [p.name for p in store.directory.iterdir()] == ["a_password"]


@given(st.integers(min_value=16, max_value=256))
def test_hex_has_two_digits_per_byte(size: int) -> None:
    value = SecretSpec("key", "hex", size).generate()
    assert len(bytes.fromhex(value)) == size


def test_given_secret_is_asked_for_before_anything_is_written(tmp_path: Path) -> None:
    store = SecretStore(tmp_path)
    with pytest.raises(SecretError, match="only you can know") as error:
        store.ensure([SecretSpec("other"), SecretSpec("bmc_h1", "given"), SecretSpec("bmc_h2", "given")])
    assert str(store.path("bmc_h1")) in str(error.value) and str(store.path("bmc_h2")) in str(error.value)
    assert store.read("other") is None


def test_given_secret_is_read(tmp_path: Path) -> None:
    store = SecretStore(tmp_path)
    store.directory.mkdir()
    store.path("bmc_h1").write_text("hospital's own\r\n")
    assert store.ensure([SecretSpec("bmc_h1", "given")]) == []
    assert store.read("bmc_h1") == "hospital's own"


def test_two_runs_at_once_agree(tmp_path: Path) -> None:
    specs = [SecretSpec(f"s{i}") for i in range(20)]
    with ThreadPoolExecutor(4) as pool:
        created = list(pool.map(lambda _: SecretStore(tmp_path)._create("shared", SecretSpec("s").generate()), specs))
    assert created.count(True) == 1


def test_empty_secret_is_an_error_and_not_replaced(tmp_path: Path) -> None:
    store = SecretStore(tmp_path)
    store.directory.mkdir()
    store.path("key").write_text("\n")
    with pytest.raises(SecretError, match="empty"):
        store.ensure([SecretSpec("key")])


@pytest.mark.parametrize("name", ["../etc/passwd", "", ".hidden", "a/b", "a b"])
def test_names_cannot_leave_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(SecretError):
        SecretSpec(name)
    with pytest.raises(SecretError):
        SecretStore(tmp_path).path(name)


def test_too_short_secrets_are_refused() -> None:
    with pytest.raises(SecretError, match="too few"):
        SecretSpec("key", "hex", 8)
