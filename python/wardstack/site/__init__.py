"""One hospital's inventory: hosts, failure domains, networks, chosen values, and what is wrong with them."""
