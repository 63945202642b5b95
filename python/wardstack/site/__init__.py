"""One hospital's inventory: hosts, failure domains, networks, chosen values, and what is wrong with them."""

from wardstack.site.load import load_site
from wardstack.site.model import Site

__all__ = ["Site", "load_site"]
