"""The embedded default site: real hosts as system containers on one machine.

Everything the lab starts lives in network namespaces and control groups whose
names begin with ``ws-``; it is found again by those, never by process name or
a stored process id, so that a killed run can always be taken up or taken down.
"""
