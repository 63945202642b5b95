"""The site's authority: what it issues, renews, refuses, and survives."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from wardstack.site.authority import Authority, AuthorityError, CertificateSpec, Validity

NOW = datetime(2026, 11, 24, tzinfo=UTC)
VALIDITY = Validity(authority=3650, certificate=397, renew=60)
H1 = CertificateSpec("h1", "h1", dns=("h1", "h1.lab"), ip=("10.78.0.11", "fd00::1"))


def authority(state: Path, days: int = 0, validity: Validity = VALIDITY) -> Authority:
    return Authority(state, "Lab", validity, NOW + timedelta(days=days))


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_plan_writes_nothing(tmp_path: Path) -> None:
    assert [i.name for i in authority(tmp_path).plan([H1])] == ["ca", "h1"]
    assert not list(tmp_path.iterdir())


def test_second_run_issues_nothing(tmp_path: Path) -> None:
    assert [i.name for i in authority(tmp_path).ensure([H1])] == ["ca", "h1"]
    before = authority(tmp_path).paths("h1")[0].read_bytes()
    assert authority(tmp_path).ensure([H1]) == []
    assert authority(tmp_path).paths("h1")[0].read_bytes() == before


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    authority(tmp_path).ensure([H1])
    assert [p.stat().st_mode & 0o777 for p in sorted(tmp_path.rglob("*.key"))] == [0o600, 0o600]
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700


def test_certificate_holds_names_and_ends_as_told(tmp_path: Path) -> None:
    authority(tmp_path).ensure([H1])
    certificate = load(tmp_path / "pki/certs/h1.crt")
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["h1", "h1.lab"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["10.78.0.11", "fd00::1"]
    assert certificate.not_valid_after_utc == NOW + timedelta(days=397)
    certificate.verify_directly_issued_by(load(tmp_path / "pki/ca.crt"))


@pytest.mark.parametrize("day, renewed", [(336, []), (338, ["h1"]), (500, ["h1"])])
def test_certificate_is_renewed_before_its_end(tmp_path: Path, day: int, renewed: list[str]) -> None:
    authority(tmp_path).ensure([H1])
    assert [i.name for i in authority(tmp_path, day).ensure([H1])] == renewed
    assert authority(tmp_path, day).ensure([H1]) == []


def test_renewed_authority_keeps_key_and_what_it_signed(tmp_path: Path) -> None:
    authority(tmp_path).ensure([H1])
    key = (tmp_path / "pki/ca.key").read_bytes()
    later = authority(tmp_path, 3650 - 397 - 30)
    leaf = CertificateSpec("h2", "h2")
    issued = [i.name for i in later.ensure([leaf])]
    assert issued == ["ca", "h2"]
    assert (tmp_path / "pki/ca.key").read_bytes() == key
    load(tmp_path / "pki/certs/h1.crt").verify_directly_issued_by(load(tmp_path / "pki/ca.crt"))


@pytest.mark.parametrize(
    "changed",
    [
        replace(H1, ip=("10.78.0.12",)),
        replace(H1, dns=("h1",)),
        replace(H1, client=False),
        replace(H1, common_name="other"),
        replace(H1, key_type="rsa"),
    ],
)
def test_changed_spec_is_issued_again(tmp_path: Path, changed: CertificateSpec) -> None:
    authority(tmp_path).ensure([H1])
    assert [i.name for i in authority(tmp_path).ensure([changed])] == ["h1"]
    assert authority(tmp_path).ensure([changed]) == []


def test_order_and_repetition_of_names_change_nothing(tmp_path: Path) -> None:
    authority(tmp_path).ensure([H1])
    assert authority(tmp_path).ensure([replace(H1, dns=("h1.lab", "h1", "h1"), ip=("fd00:0::1", "10.78.0.11"))]) == []


def test_killed_between_key_and_certificate_is_repaired(tmp_path: Path) -> None:
    first = authority(tmp_path)
    first.ensure([H1, CertificateSpec("h2", "h2")])
    certificate, _ = first.paths("h1")
    certificate.write_bytes(first.paths("h2")[0].read_bytes())
    assert [i.name for i in authority(tmp_path).ensure([H1])] == ["h1"]


def test_killed_after_the_authoritys_key_is_continued(tmp_path: Path) -> None:
    authority(tmp_path).ensure([H1])
    key = (tmp_path / "pki/ca.key").read_bytes()
    (tmp_path / "pki/ca.crt").unlink()
    assert [i.name for i in authority(tmp_path).ensure([H1])] == ["ca", "h1"]
    assert (tmp_path / "pki/ca.key").read_bytes() == key


def test_garbage_certificate_is_issued_again(tmp_path: Path) -> None:
    authority(tmp_path).ensure([H1])
    (tmp_path / "pki/certs/h1.crt").write_text("garbage")
    assert [i.name for i in authority(tmp_path).ensure([H1])] == ["h1"]


def test_another_authority_reissues_what_it_did_not_sign(tmp_path: Path) -> None:
    authority(tmp_path).ensure([H1])
    (tmp_path / "pki/ca.key").unlink()
    (tmp_path / "pki/ca.crt").unlink()
    assert [i.name for i in authority(tmp_path).ensure([H1])] == ["ca", "h1"]


def test_lost_key_of_the_authority_is_never_replaced_silently(tmp_path: Path) -> None:
    authority(tmp_path).ensure([H1])
    (tmp_path / "pki/ca.key").unlink()
    with pytest.raises(AuthorityError, match="restore the key from your backup"):
        authority(tmp_path).ensure([H1])


def test_foreign_key_of_the_authority_is_refused(tmp_path: Path) -> None:
    authority(tmp_path).ensure([H1])
    (tmp_path / "pki/ca.key").write_bytes((tmp_path / "pki/certs/h1.key").read_bytes())
    with pytest.raises(AuthorityError, match="does not belong"):
        authority(tmp_path).ensure([H1])


@pytest.mark.parametrize("wrong", [(3650, 397, 397), (3650, 397, 0), (400, 397, 60)])
def test_lives_that_cannot_work_are_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(AuthorityError):
        Validity(*wrong)


def test_wrong_specs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AuthorityError, match="not an address"):
        CertificateSpec("h1", "h1", ip=("10.78.0.300",))
    with pytest.raises(AuthorityError, match="letters"):
        CertificateSpec("../h1", "h1")
    with pytest.raises(AuthorityError, match="neither"):
        CertificateSpec("h1", "h1", server=False, client=False)
    with pytest.raises(AuthorityError, match="twice"):
        authority(tmp_path).plan([H1, replace(H1, client=False)])
