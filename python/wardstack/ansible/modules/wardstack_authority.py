"""Ansible module: the site's certificate authority and all its certificates."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: wardstack_authority
author: Wardstack
short_description: Keep the site's certificate authority and all its certificates
description:
  - Creates the authority in C(pki/) below the site's state directory on the controller, and issues in one call every
    certificate that is missing, differs from what is asked for, or is close to its end.
  - The authority's key is never replaced. Its certificate is renewed over the same key.
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
options:
  state_dir:
    description: State directory of the site.
    type: path
    required: true
  title:
    description: Name of the site, in the authority's subject.
    type: str
    required: true
  ca_validity_days:
    description: Life of the authority's certificate in days.
    type: int
    required: true
  certificate_validity_days:
    description: Life of a certificate in days.
    type: int
    required: true
  renew_days:
    description: A certificate with fewer days left is issued again with a new key.
    type: int
    required: true
  certificates:
    description: The certificates that have to exist.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: File name below C(pki/certs).
        type: str
        required: true
      common_name:
        description: Subject. The name when not given.
        type: str
      dns:
        description: DNS names.
        type: list
        elements: str
        default: []
      ip:
        description: Addresses.
        type: list
        elements: str
        default: []
      server:
        description: May be shown by a server.
        type: bool
        default: true
      client:
        description: May be shown by a client.
        type: bool
        default: true
      key_type:
        description: C(ecdsa) is P-256, C(rsa) 3072 bits.
        type: str
        choices: [ecdsa, rsa]
        default: ecdsa
"""

EXAMPLES = """
- name: Keep all certificates of the site
  wardstack_authority:
    state_dir: "{{ site.state_dir }}"
    title: "{{ site.title.en }}"
    ca_validity_days: 3650
    certificate_validity_days: 397
    renew_days: 60
    certificates:
      - {name: h1, dns: [h1], ip: [10.78.0.11]}
      - {name: modality_ct1, common_name: CT1, server: false}
  delegate_to: localhost
"""

RETURN = """
issued:
  description: What was (in check mode would be) issued, and why. The name C(ca) is the authority itself.
  type: list
  elements: dict
  returned: always
expiry:
  description: End of each existing certificate, ISO 8601 in UTC.
  type: dict
  returned: always
"""

_CERTIFICATE = {
    "name": {"type": "str", "required": True},
    "common_name": {"type": "str"},
    "dns": {"type": "list", "elements": "str", "default": []},
    "ip": {"type": "list", "elements": "str", "default": []},
    "server": {"type": "bool", "default": True},
    "client": {"type": "bool", "default": True},
    "key_type": {"type": "str", "choices": ["ecdsa", "rsa"], "default": "ecdsa"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state_dir": {"type": "path", "required": True},
            "title": {"type": "str", "required": True},
            "ca_validity_days": {"type": "int", "required": True},
            "certificate_validity_days": {"type": "int", "required": True},
            "renew_days": {"type": "int", "required": True},
            "certificates": {"type": "list", "elements": "dict", "required": True, "options": _CERTIFICATE},
        },
        supports_check_mode=True,
    )
    # Imported here so that ansible-doc can read this file without the package.
    from wardstack.site.authority import Authority, AuthorityError, CertificateSpec, Validity

    given = module.params
    try:
        validity = Validity(given["ca_validity_days"], given["certificate_validity_days"], given["renew_days"])
        authority = Authority(given["state_dir"], given["title"], validity)
        specs = [
            CertificateSpec(
                name=item["name"],
                common_name=item["common_name"] or item["name"],
                dns=tuple(item["dns"]),
                ip=tuple(item["ip"]),
                server=item["server"],
                client=item["client"],
                key_type=item["key_type"],
            )
            for item in given["certificates"]
        ]
        issues = authority.plan(specs) if module.check_mode else authority.ensure(specs)
        expiry = {name: end.isoformat() for name, end in authority.expiry(specs).items()}
    except AuthorityError as error:
        module.fail_json(msg=str(error))
    issued = [{"name": issue.name, "reason": issue.reason} for issue in issues]
    result: dict[str, Any] = {"changed": bool(issues), "issued": issued, "expiry": expiry}
    if module._diff:
        result["diff"] = [
            {"before": f"{item['reason']}\n", "after": "issued\n", "after_header": item["name"]} for item in issued
        ]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
