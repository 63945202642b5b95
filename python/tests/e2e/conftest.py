"""One lab for all tests of this folder: they follow each other as days in its life do."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

import pytest

from tests.e2e import black_box
from tests.e2e.command import LAB, REPOSITORY, wardstack
from wardstack.cli_site import OpenedSite
from wardstack.lab.api import Lab
from wardstack.lab.paths import cache_dir
from wardstack.site import load_site


@pytest.fixture(scope="session")
def opened() -> OpenedSite:
    return OpenedSite(load_site(LAB, REPOSITORY / "docs" / "standards"), LAB)


@pytest.fixture(scope="session", autouse=True)
def no_lab_before_and_after(opened: OpenedSite) -> Iterator[None]:
    """A person's lab is not ours to take down; one that a failed test leaves would burden the machine."""
    if len(Lab(opened.inventory).missing()) < len(opened.site.hosts):
        pytest.fail("a lab is up on this machine: `sudo ./wardstack down` before the tests")
    yield
    wardstack("down")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the machines' logs when a test fails: the lab does not outlive the tests."""
    report = yield
    opened = item.funcargs.get("opened") if isinstance(item, pytest.Function) else None
    if report.failed and report.when == "call" and isinstance(opened, OpenedSite):
        folder = cache_dir() / "failed-tests" / time.strftime("%Y-%m-%dT%H-%M-%S") / item.name
        black_box.keep(opened, folder)
        report.sections.append(("logs of all machines", str(folder)))
    return report
