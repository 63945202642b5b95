"""What a machine tells of itself in `playbooks/status.yml`, read back: whole, in part, and not at all."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardstack.ansible.filter.machine_state import SECTIONS, machine_state

ADDRESSES = json.dumps(
    [
        {"addr_info": [{"family": "inet", "local": "127.0.0.1", "scope": "host"}]},
        {"addr_info": [{"local": "10.78.1.100", "scope": "global"}, {"local": "fe80::1", "scope": "link"}]},
        {},
    ]
)
CEPH = json.dumps(
    {
        "health": {"status": "HEALTH_WARN", "checks": {"OSD_DOWN": {"summary": {"message": "1 osds down"}}}},
        "monmap": {"num_mons": 3},
        "quorum_names": ["h3", "h1"],
        "osdmap": {"num_osds": 3, "num_up_osds": 2},
        "pgmap": {"bytes_used": 5, "bytes_total": 24},
    }
)
PACEMAKER = """<pacemaker-result>
  <summary><current_dc with_quorum="true"/></summary>
  <nodes><node name="h1" online="true"/><node name="h2" online="false"/>
  <node name="h3" online="true" standby="true"/></nodes>
  <resources>
    <resource id="vm-a1" role="Started" failed="false"><node name="h1"/></resource>
    <group id="g"><resource id="fence-h2" role="Stopped" failed="true"/></group>
  </resources>
</pacemaker-result>"""


def told(**sections: str) -> dict[str, object]:
    """Return the result of the task for a machine that printed these sections."""
    return {"stdout": "".join(f"\n== {name}\n{text}" for name, text in sections.items()), "rc": 0}


def test_an_archive_node_is_read() -> None:
    state = machine_state(
        told(
            services="Id=haproxy.service\nActiveState=active\n\nId=orthanc.service\nActiveState=failed\n",
            failed_units="orthanc.service loaded failed failed DICOM server\n",
            addresses=ADDRESSES,
            database="/usr/lib/postgresql/17/bin/postgres -D data\npostgres: wardstack: walwriter\n",
        )
    )
    assert state == {
        "services": {"haproxy.service": "active", "orthanc.service": "failed"},
        "failed_units": ["orthanc.service"],
        "addresses": ["10.78.1.100"],
        "database": "primary",
    }


def test_a_host_tells_of_storage_and_cluster() -> None:
    state = machine_state(told(failed_units="", addresses="[]", database="", storage=CEPH, cluster=PACEMAKER))
    assert state["storage"] == {
        "health": "HEALTH_WARN",
        "warnings": ["1 osds down"],
        "monitors": 3,
        "quorum": ["h1", "h3"],
        "osds": 3,
        "osds_up": 2,
        "bytes_used": 5,
        "bytes": 24,
    }
    assert state["cluster"] == {
        "nodes": {"h1": "online", "h2": "offline", "h3": "standby"},
        "resources": {
            "vm-a1": {"role": "Started", "node": "h1", "failed": False},
            "fence-h2": {"role": "Stopped", "node": "", "failed": True},
        },
        "quorum": True,
    }
    assert state["database"] == "none"


@pytest.mark.parametrize(
    ("names", "role"),
    [
        ("postgres: walreceiver streaming", "standby"),
        ("postgres: walwriter", "primary"),
        ("/usr/lib/postgresql/17/bin/postgres -D data", "none"),
    ],
)
def test_the_role_of_a_database_is_in_its_processes_names(names: str, role: str) -> None:
    assert machine_state(told(failed_units="", database=names))["database"] == role


def test_lines_that_a_terminal_ended_are_read_the_same() -> None:
    result = told(services="Id=a.service\nActiveState=active", failed_units="b.service loaded failed")
    assert machine_state({"stdout": str(result["stdout"]).replace("\n", "\r\n")}) == machine_state(result)


@pytest.mark.parametrize(
    "result", [{"unreachable": True, "msg": "timed out"}, {"stdout": ""}, {"stdout": "sh: not found"}]
)
def test_a_machine_that_does_not_answer_has_no_state(result: dict[str, object]) -> None:
    assert machine_state(result) == {}


@given(st.dictionaries(st.sampled_from(sorted(SECTIONS)), st.text()))
def test_whatever_a_broken_machine_prints_is_no_traceback(sections: dict[str, str]) -> None:
    """A command that fails half-way leaves half an answer; the screen shows what the others said."""
    machine_state(told(**({"failed_units": ""} | sections)))
