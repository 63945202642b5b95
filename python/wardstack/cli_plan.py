"""What `up` would do where there is no host yet that could be asked."""

from __future__ import annotations

from wardstack.blueprint.compile import ImageInfo, compile_blueprint
from wardstack.cli_site import OpenedSite
from wardstack.lab.api import Lab


def before_there_are_hosts(opened: OpenedSite) -> str | None:
    """Return the plan of a lab that is not up; None where the hosts can be asked."""
    if not opened.lab:
        return None
    missing = Lab(opened.inventory).missing()
    if not any("would be made" in line for line in missing):
        return None
    # Neither image nor key exist yet, and no name or number in the blueprint depends on them.
    blueprint = compile_blueprint(opened.site, ImageInfo(path="built by `up`", sha256="0" * 64), "made by `up`")
    lines = [f"{opened.site.name} is not built; `up` would make all of it:", *(f"  {line}" for line in missing)]
    for resource in blueprint.resources:
        lines.append(f"  {resource.id} ({', '.join(resource.clauses)})")
    return "\n".join([*lines, "nothing was changed"])
