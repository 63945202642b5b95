"""Ansible module: generate the secrets of a site that do not exist yet."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: wardstack_secrets
author: Wardstack
short_description: Generate the secrets of a site that do not exist yet
description:
  - Writes one file per secret (mode 0600) into C(secrets/) below the site's state directory on the controller.
  - A secret that exists is never changed. Values are never returned; roles read them with the lookup C(site_secret).
attributes:
  check_mode: {support: full}
  diff_mode: {support: full, details: Names only, never values.}
options:
  state_dir:
    description: State directory of the site.
    type: path
    required: true
  secrets:
    description: The secrets that have to exist.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name, and name of the file.
        type: str
        required: true
      kind:
        description: C(password) is URL-safe text, C(hex) hexadecimal; C(given) the hospital writes, it is never made.
        type: str
        choices: [password, hex, given]
        default: password
      size:
        description: Random bytes behind the secret.
        type: int
        default: 24
"""

EXAMPLES = """
- name: Generate what is missing
  wardstack_secrets:
    state_dir: "{{ site.state_dir }}"
    secrets:
      - {name: patroni_superuser}
      - {name: objects_key, kind: hex, size: 32}
  delegate_to: localhost
"""

RETURN = """
created:
  description: Names of the secrets that were (in check mode would be) generated.
  type: list
  elements: str
  returned: always
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state_dir": {"type": "path", "required": True},
            "secrets": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "no_log": False,
                "options": {
                    "name": {"type": "str", "required": True},
                    "kind": {"type": "str", "choices": ["password", "hex", "given"], "default": "password"},
                    "size": {"type": "int", "default": 24},
                },
            },
        },
        supports_check_mode=True,
    )
    # Imported here so that ansible-doc can read this file without the package.
    from wardstack.site.secrets import SecretError, SecretSpec, SecretStore

    store = SecretStore(module.params["state_dir"])
    try:
        specs = [SecretSpec(item["name"], item["kind"], item["size"]) for item in module.params["secrets"]]
        created = [spec.name for spec in store.missing(specs)] if module.check_mode else store.ensure(specs)
    except SecretError as error:
        module.fail_json(msg=str(error))
    result: dict[str, Any] = {"changed": bool(created), "created": created}
    if module._diff:
        result["diff"] = [
            {"before": "", "after": "generated\n", "after_header": str(store.path(name))} for name in created
        ]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
