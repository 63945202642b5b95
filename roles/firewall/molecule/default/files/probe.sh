#!/bin/bash
# Stands for a device at 10.79.9.5: a network namespace at the other end of a cable, that tries ports of this machine.
set -euo pipefail

unshare --net sleep 120 </dev/null >/dev/null 2>&1 &
device=$!
until [ "$(readlink /proc/$device/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do
    sleep 0.1
done
ip link add probe0 type veth peer name probe1
trap 'kill $(jobs -p) 2>/dev/null || :; ip link delete probe0 2>/dev/null || :' EXIT
ip address add 10.79.9.1/24 dev probe0
ip link set probe0 up
ip link set probe1 netns $device
nsenter --target $device --net sh -c 'ip address add 10.79.9.5/24 dev probe1; ip link set probe1 up'

listen() {
    python3 -c "
import socket
servers = [socket.create_server(('', port)) for port in ($1)]
while True:
    servers[0].accept()
" </dev/null >/dev/null 2>&1 &
}
listen '2762, 2763, 5432, 9001'
sleep 0.5

try() {
    nsenter --target $device --net python3 -c "
import socket
try:
    socket.create_connection(('10.79.9.1', $1), 2)
    print('open')
except TimeoutError:
    print('dropped')
except ConnectionRefusedError:
    print('refused')
"
}
expect() {
    found=$(try "$1")
    if [ "$found" != "$2" ]; then
        echo "port $1 is $found, expected $2" >&2
        exit 1
    fi
}
expect 2762 open
expect 9001 open
expect 9000 refused
expect 2763 dropped
expect 5432 dropped
expect 22 dropped
