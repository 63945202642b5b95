"""Lookup of a site's secret on the controller."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from wardstack.ansible.state import in_check_mode, state_directory
from wardstack.site.secrets import SecretError, SecretStore

DOCUMENTATION = """
name: site_secret
author: Wardstack
short_description: Read a secret of the site from its state directory
description:
  - Returns the content of C(secrets/NAME) below the site's state directory, without its final newline.
  - In check mode a secret that does not exist yet is returned as a placeholder, so that check mode works on a site
    where nothing ran. In a real run it is an error.
options:
  _terms:
    description: Names of secrets.
    required: true
  state_dir:
    description: State directory of the site. Taken from C(site.state_dir) when not given.
    type: path
  default:
    description: Value to return instead of an error when the secret does not exist.
    type: str
"""

EXAMPLES = """
- name: Use a password
  ansible.builtin.debug:
    msg: "{{ lookup('site_secret', 'patroni_superuser') | length }}"
"""

RETURN = """
_raw:
  description: The secrets, in the order of the terms.
  type: list
  elements: str
"""


class LookupModule(LookupBase):  # type: ignore[misc]
    """Read secrets by name."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return the named secrets.

        Raises:
            AnsibleError: a secret is unreadable, or missing in a real run.
        """
        self.set_options(var_options=variables, direct=kwargs)
        store = SecretStore(state_directory(self, variables))
        found: list[str] = []
        for name in terms:
            try:
                value = store.read(name)
                path = store.path(name)
            except SecretError as error:
                raise AnsibleError(str(error)) from None
            if value is None:
                value = self.get_option("default")
            if value is None and in_check_mode(variables):
                value = f"check-mode-placeholder-of-{name}"
            if value is None:
                raise AnsibleError(f"secret {name} does not exist: {path} is written by playbooks/certificates.yml")
            found.append(value)
        return found
