"""What the module ``wardstack_ceph_daemons`` is made of: one file for each kind of daemon, decisions apart from deeds.

These files run on the target, bundled by Ansible: only Python's standard library and Debian's ``python3-rados``.
"""
