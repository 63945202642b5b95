"""Lookup of the site's certificates and keys on the controller."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from wardstack.ansible.state import in_check_mode, state_directory

DOCUMENTATION = """
name: site_certificate
author: Wardstack
short_description: Read a certificate, a key, or both of the site's authority
description:
  - Reads C(pki/) below the site's state directory. In check mode a file that does not exist yet is returned as a
    placeholder. In a real run it is an error.
options:
  _terms:
    description: Names of certificates. The name C(ca) is the authority (only its certificate can be read).
    required: true
  part:
    description: The certificate, its key, or certificate followed by key in one text as HAProxy reads it.
    type: str
    choices: [certificate, key, bundle]
    default: certificate
  state_dir:
    description: State directory of the site. Taken from C(site.state_dir) when not given.
    type: path
"""

EXAMPLES = """
- name: Show the authority
  ansible.builtin.debug:
    msg: "{{ lookup('site_certificate', 'ca') }}"
"""

RETURN = """
_raw:
  description: PEM text, in the order of the terms.
  type: list
  elements: str
"""


class LookupModule(LookupBase):  # type: ignore[misc]
    """Read PEM files by the name of their certificate."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return the PEM text of each term.

        Raises:
            AnsibleError: a file is missing in a real run, or the authority's key is asked for.
        """
        self.set_options(var_options=variables, direct=kwargs)
        pki = state_directory(self, variables) / "pki"
        check = in_check_mode(variables)
        part = self.get_option("part")
        suffixes = {"certificate": ["crt"], "key": ["key"], "bundle": ["crt", "key"]}[part]
        found: list[str] = []
        for name in terms:
            if name == "ca" and part != "certificate":
                raise AnsibleError("the authority's key never leaves the controller")
            folder = pki if name == "ca" else pki / "certs"
            files = [folder / f"{name}.{suffix}" for suffix in suffixes]
            missing = [str(file) for file in files if not file.is_file()]
            if not missing:
                found.append("".join(file.read_text(encoding="ascii") for file in files))
            elif check:
                found.append(f"check-mode-placeholder-of-{name}-{part}\n")
            else:
                raise AnsibleError(f"{', '.join(missing)} does not exist: playbooks/certificates.yml issues it")
        return found
