"""Run a target module in this process, as Ansible would on a host."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

MODULES = Path(__file__).resolve().parents[3] / "wardstack" / "ansible" / "modules"

RunModule = Callable[..., dict[str, Any]]


def load_module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, MODULES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run_module(capsys: pytest.CaptureFixture[str]) -> RunModule:
    """Run a module with arguments; return what it tells Ansible."""

    def run(name: str, arguments: dict[str, Any], *, check: bool = False) -> dict[str, Any]:
        module = load_module(name)
        given = {**arguments, "_ansible_check_mode": check, "_ansible_diff": True}
        with patch_module_args(given), pytest.raises(SystemExit):
            module.main()
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        return told

    return run
