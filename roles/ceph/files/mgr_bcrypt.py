"""Stands in for bcrypt inside ceph-mgr, and nowhere else.

ceph-mgr 18.2.7 of Debian 13 cannot import the real one: PyO3 refuses to be loaded
by a second interpreter of the same process, and every manager module has its own.
`mgr_util` imports bcrypt for the dashboard's passwords only; the dashboard is not
installed. Put here by Wardstack's role `ceph`, which takes it away again as soon
as the version without the fault is installed.
"""


def gensalt(rounds=12, prefix=b"2b"):
    """Refuse: a weak stand-in would be worse than none."""
    raise RuntimeError("bcrypt cannot be loaded in this ceph-mgr (PyO3 and subinterpreters)")


def hashpw(password, salt):
    """Refuse: a weak stand-in would be worse than none."""
    raise RuntimeError("bcrypt cannot be loaded in this ceph-mgr (PyO3 and subinterpreters)")
