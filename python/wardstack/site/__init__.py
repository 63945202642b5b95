"""One hospital's inventory: hosts, failure domains, networks, chosen values, and what is wrong with them."""

from wardstack.site.load import load_site as load_site
