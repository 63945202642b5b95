"""What Ansible loads: modules, inventory, callback, lookups and filters; thin faces of the packages beside it."""
