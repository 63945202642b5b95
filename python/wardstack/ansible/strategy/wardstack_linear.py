"""Ansible's linear strategy over Mitogen's connections: one Python per machine serves the whole run.

Starting a Python for each task costs an emulated archive node 10 s, a task in a running one 1 s (docs/decisions/0012).
"""

from __future__ import annotations

import ctypes
import os
import signal

from ansible.plugins.strategy.linear import StrategyModule as Linear

DOCUMENTATION = """
name: wardstack_linear
short_description: Ansible's linear strategy, over Mitogen where it is installed
description:
  - Runs tasks as C(linear) does. Where the package C(mitogen) is installed, tasks run in one Python process per machine
    instead of one per task; elsewhere it is C(linear) itself, with the same results.
author: Wardstack contributors
"""

PR_SET_PDEATHSIG = 1
"""Linux, prctl(2)."""

_ANSIBLE = os.getpid()


def end_with_ansible() -> None:
    """Have a worker end when Ansible is killed: it would wait for an answer for ever (seen after `kill -9`)."""
    if os.getppid() == _ANSIBLE:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


os.register_at_fork(after_in_child=end_with_ansible)

try:
    from ansible_mitogen import affinity
    from ansible_mitogen.strategy import StrategyMixin
except ImportError:

    class StrategyModule(Linear):  # type: ignore[misc]
        """Linear, as Ansible has it."""
else:
    # Mitogen binds each of its processes to one processor, and whatever a module starts would inherit that: the lab's
    # hosts with all their VMs shared one (seen).
    affinity.policy = affinity.Policy()

    class StrategyModule(StrategyMixin, Linear):  # type: ignore[misc, no-redef]
        """Linear, with connections and modules carried by Mitogen."""
