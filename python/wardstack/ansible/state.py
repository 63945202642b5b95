"""What every lookup of the site's state needs: where it is, and in which mode the play runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase


def state_directory(plugin: LookupBase, variables: dict[str, Any] | None) -> Path:
    """Return the site's state directory from the option ``state_dir`` or from ``site``.

    Raises:
        AnsibleError: neither is set.
    """
    given = plugin.get_option("state_dir")
    if given:
        return Path(str(given))
    site = (variables or {}).get("site")
    if site is not None:
        site = plugin._templar.template(site)
        if site.get("state_dir"):
            return Path(str(site["state_dir"]))
    raise AnsibleError("no state directory: set state_dir, or use an inventory with a site.yml")


def in_check_mode(variables: dict[str, Any] | None) -> bool:
    """Say whether the play runs in check mode."""
    return bool((variables or {}).get("ansible_check_mode", False))
