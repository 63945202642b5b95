#!/usr/bin/python
"""Ansible module: bring a site's cloud to its blueprint (STD-03.4)."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: wardstack_cloud
author: Wardstack
short_description: Bring a site's cloud to its blueprint
description:
  - Runs on the controller. Compiles the blueprint from standards and site, observes the cloud in one pass, and carries
    out the difference (pools, file systems, storage users, networks, images, volumes, VMs, placement and HA rules).
  - Everything known to be wrong before the first change is said together, and nothing is changed then.
  - Killed at any point and run again, it continues. What holds data is destroyed only when named in O(allow_destroy).
attributes:
  check_mode: {support: full, details: Observes and plans; the plan is the diff. Destroys nothing.}
  diff_mode: {support: full}
options:
  inventory_dir:
    description: Directory of the site's inventory.
    type: path
    required: true
  standards_dir:
    description: Directory of the standard documents.
    type: path
    required: true
  image_path:
    description: Golden image of archive nodes on the controller.
    type: path
    required: true
  image_sha256:
    description: Its SHA-256, in hexadecimal.
    type: str
    required: true
  connections:
    description: Connection variables of at least every hypervisor, by name.
    type: dict
    required: true
  allow_destroy:
    description: Ids of resources (C(volume/a1-data)) that may be deleted with their data.
    type: list
    elements: str
    default: []
  approved_plan:
    description: Digest of the plan that was approved, where the parameter C(plan_approval_required) asks for it.
    type: str
"""

EXAMPLES = """
- name: Bring the cloud to its blueprint
  wardstack_cloud:
    inventory_dir: "{{ inventory_dir }}"
    standards_dir: "{{ playbook_dir }}/../docs/standards"
    image_path: "{{ golden_image_path }}"
    image_sha256: "{{ golden_image_sha256 }}"
    connections: "{{ site_connections }}"
  delegate_to: localhost
"""

RETURN = """
plan:
  description: One line per action, in order.
  type: list
  elements: str
  returned: when it could be planned
plan_digest:
  description: SHA-256 of the plan; what is approved when a plan is approved.
  type: str
  returned: when it could be planned
applied:
  description: Actions carried out, with seconds.
  type: list
  elements: dict
  returned: always
where:
  description: VM and the host that runs it.
  type: dict
  returned: when it could be observed
seconds:
  description: How long observing and applying took.
  type: dict
  returned: on success
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "inventory_dir": {"type": "path", "required": True},
            "standards_dir": {"type": "path", "required": True},
            "image_path": {"type": "path", "required": True},
            "image_sha256": {"type": "str", "required": True},
            "connections": {"type": "dict", "required": True},
            "allow_destroy": {"type": "list", "elements": "str", "default": []},
            "approved_plan": {"type": "str"},
        },
        supports_check_mode=True,
    )
    # Imported here so that ansible-doc can read this file without the package.
    from wardstack.blueprint.compile import ImageInfo
    from wardstack.engines.base import EngineError
    from wardstack.engines.registry import open_engine
    from wardstack.plan import cloud
    from wardstack.plan.execute import PlanFailed
    from wardstack.site import load_site
    from wardstack.standards.problems import DocumentErrors

    options = module.params
    stop = threading.Event()
    # Ansible ends a module with SIGTERM or SIGHUP: what runs is finished, nothing new begins.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    try:
        site = load_site(Path(options["inventory_dir"]), Path(options["standards_dir"]))
        image = ImageInfo(options["image_path"], options["image_sha256"])
        with open_engine(site, options["connections"]) as engine:
            if module.check_mode:
                outcome = cloud.check(engine, site, image)
            else:
                progress = cloud.ProgressFile(site.state_dir / "progress" / "cloud.json")
                try:
                    outcome = cloud.converge(
                        engine,
                        site,
                        image,
                        allow_destroy=options["allow_destroy"],
                        approved=options["approved_plan"],
                        progress=progress,
                        stop=stop,
                    )
                finally:
                    progress.close()
    except PlanFailed as error:
        module.fail_json(msg=str(error), applied=_applied(error.done), not_begun=list(error.waiting))
    except (EngineError, DocumentErrors) as error:
        module.fail_json(msg=str(error), applied=[])
    plan = outcome.plan
    result: dict[str, Any] = {
        "changed": bool(plan.actions),
        "plan": plan.lines(),
        "plan_digest": plan.digest(),
        "applied": _applied(outcome.done),
        "where": dict(outcome.where),
        "seconds": dict(outcome.seconds),
    }
    if module._diff:
        result["diff"] = plan.differences()
    refused = [*plan.problems, *plan.refused(options["allow_destroy"])]
    if module.check_mode and refused:
        module.fail_json(msg="\n".join(str(problem) for problem in refused), **result)
    if outcome.remaining:
        module.fail_json(msg="After applying, the cloud still differs:\n" + "\n".join(outcome.remaining), **result)
    module.exit_json(**result)


def _applied(done: Any) -> list[dict[str, Any]]:
    return [{"action": f"{d.action.op} {d.action.id}", "seconds": round(d.seconds, 1)} for d in done]


if __name__ == "__main__":
    main()
