"""The engine for hospital-owned Debian hosts: libvirt, Pacemaker and Ceph, all by their own commands over ssh."""

from wardstack.engines.libvirt.engine import LibvirtEngine as LibvirtEngine
from wardstack.engines.libvirt.transport import Connection as Connection
