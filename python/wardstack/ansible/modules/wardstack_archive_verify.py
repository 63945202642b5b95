"""Ansible module: prove the archive from outside, as devices and auditors see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: wardstack_archive_verify
author: Wardstack
short_description: Store studies in the archive, find them, read them back and compare every byte
description:
  - Runs on the controller and reaches the archive at its floating address as a device does, over DICOM with mutual TLS
    and over HTTPS.
  - Sends generated studies (CT, MR, ultrasound, PDF, JPEG 2000, JPEG-LS) unless the ledger says that they were
    acknowledged before, finds them by C-FIND and QIDO-RS, reads them back by C-GET and WADO-RS, and compares every
    object with the ledger.
  - Tries what the archive must refuse (old TLS, weak cipher suites, no certificate, a foreign authority's certificate).
  - With O(migrate_vm) that virtual machine is migrated live while a second study is being sent, and no try may fail.
  - Writes the report to C(last-verify.json) and the ledger to C(ledger/) in the site's state directory.
attributes:
  check_mode: {support: full, details: Says what would be sent and migrated; reaches nothing.}
  diff_mode: {support: full}
options:
  site:
    description: The inventory's C(site), of which C(state_dir), C(archive) and C(lab) are read. A lab is entered by its
      network namespace.
    type: dict
    required: true
  std:
    description: The inventory's C(std), parameters of the standards.
    type: dict
    required: true
  read:
    description:
      - What is read back. V(all) of the ledger; V(proof), the studies of the proof and what this run sent; V(some), the
        same without long series when this run sent nothing.
    type: str
    choices: [all, proof, some]
    default: proof
  migrate_vm:
    description: Virtual machine to migrate while a second study is being sent.
    type: str
  migrate_again:
    description: Migrate even if a migration during a second study is on record for this archive.
    type: bool
    default: false
  inventory_dir:
    description: Directory of the site's inventory, needed with O(migrate_vm).
    type: path
  standards_dir:
    description: Directory of the standard documents, needed with O(migrate_vm).
    type: path
  connections:
    description: Connection variables of at least every hypervisor by name, needed with O(migrate_vm).
    type: dict
    default: {}
"""

EXAMPLES = """
- name: Prove the archive, and that a live migration harms no sender
  wardstack_archive_verify:
    site: "{{ site }}"
    std: "{{ std }}"
    migrate_vm: a1
    inventory_dir: "{{ inventory_dir }}"
    standards_dir: "{{ playbook_dir }}/../docs/standards"
    connections: "{{ site_connections }}"
  delegate_to: localhost
"""

RETURN = """
report:
  description: The report, as in C(last-verify.json). Not in check mode.
  type: dict
  returned: success
summary:
  description: The report in lines for people.
  type: list
  elements: str
  returned: always
"""


def migration(given: dict[str, Any]) -> Callable[[], Mapping[str, Any]]:
    """Return what migrates the virtual machine; a site with a mistake is said here, before anything is sent."""
    from wardstack.archive.verify import VerifyError
    from wardstack.engines.base import EngineError
    from wardstack.engines.registry import open_engine
    from wardstack.site import load_site
    from wardstack.standards.problems import DocumentErrors

    vm = given["migrate_vm"]
    try:
        site = load_site(Path(given["inventory_dir"]), Path(given["standards_dir"]))
    except DocumentErrors as error:
        raise VerifyError(str(error)) from error

    def migrate() -> Mapping[str, Any]:
        try:
            with open_engine(site, given["connections"]) as engine:
                return asdict(engine.migrate(vm, None, lambda _: None))
        except EngineError as error:
            raise VerifyError(f"migrating {vm}: {error}") from error

    return migrate


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "dict", "required": True},
            "std": {"type": "dict", "required": True},
            "read": {"type": "str", "choices": ["all", "proof", "some"], "default": "proof"},
            "migrate_vm": {"type": "str"},
            "migrate_again": {"type": "bool", "default": False},
            "inventory_dir": {"type": "path"},
            "standards_dir": {"type": "path"},
            "connections": {"type": "dict", "default": {}},
        },
        required_by={"migrate_vm": ["inventory_dir", "standards_dir", "connections"]},
        supports_check_mode=True,
    )
    # Imported here so that ansible-doc can read this file without the package.
    from wardstack.archive.config import VerifyConfig
    from wardstack.archive.ledger import LedgerError
    from wardstack.archive.outlook import foresee
    from wardstack.archive.progress import ProgressFile
    from wardstack.archive.verify import VerifyError, verify

    given = module.params
    config = VerifyConfig.from_site(given["site"], given["std"], read=given["read"])
    try:
        outlook = foresee(config, second_study=given["migrate_vm"] is not None, again=given["migrate_again"])
    except (LedgerError, ValueError) as error:
        module.fail_json(msg=str(error))
    before = {"before": f"{outlook.stored} objects acknowledged\n"}
    if module.check_mode:
        lines = outlook.lines(given["migrate_vm"])
        after = {"after": f"{outlook.stored + outlook.to_send} objects acknowledged\n"}
        module.exit_json(changed=outlook.changes, summary=lines, diff=before | after)
    progress = ProgressFile(config.state_dir)
    try:
        during = migration(given) if outlook.second_study else None
        report = verify(config, during, progress)
    except VerifyError as error:
        module.fail_json(msg=f"the archive could not be verified: {error}")
    finally:
        progress.close()
    report.save(config.state_dir / "last-verify.json")
    result = {
        "changed": report.changed,
        "report": report.to_dict(),
        "summary": report.summary(),
        "diff": before | {"after": f"{report.ledger['objects']} objects acknowledged\n"},
    }
    if not report.ok:
        module.fail_json(msg="\n".join(["the archive is not as it must be:", *report.problems]), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
