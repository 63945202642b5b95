"""Where VMs go."""
