"""What runs on a host: sent over ssh as source, never installed there.

Only the standard library of Debian 13's Python and the bindings that come with
``ceph-common`` (``rados``, ``rbd``) are used. One process answers one request,
because starting ``ceph`` or ``rbd`` costs half a CPU second each time while a
question over an open connection costs a millisecond.

Standard input holds one line of JSON (the request) and, for an image, its bytes
after it. Standard output holds lines of JSON: ``{"step": …}`` while it works,
then one ``{"result": …}`` or ``{"error": …, "fix": …}``.
"""
