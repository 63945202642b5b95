#!/bin/sh
# Seconds and peak memory of the embedded lab: `up` from cached images, `up` again, `plan`, `status`, `down`.
# As root, with no lab up:
#     docs/benchmarks/lab.sh          images and root file systems are cached
#     docs/benchmarks/lab.sh --cold   they are removed first (`down --purge`), and built again
# Prints one line per command, and stops at the first that fails; what the commands said is in the folder that it names.
# Memory is what the machine had less than before the first command, at the worst moment, looked at every second.
set -eu

here=$(dirname "$(readlink -f "$0")")/../..
# A lab that somebody works with, and the objects in it, are not ours to remove.
[ ! -e /run/netns/ws-lab ] || { echo 'a lab is up: `sudo ./wardstack down` first, if nobody needs it' >&2; exit 1; }
logs=$(mktemp --directory)
echo "logs: $logs"
sampler=
trap '[ -z "$sampler" ] || kill "$sampler"' EXIT
trap 'exit 130' INT TERM

available() { awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo; }
measure() { # NAME COMMAND...
    name=$1
    shift
    available >"$logs/$name.memory"
    while sleep 1; do available; done >>"$logs/$name.memory" &
    sampler=$!
    began=$(date +%s.%N)
    status=0
    "$here/wardstack" "$@" >"$logs/$name.log" 2>&1 || status=$?
    ended=$(date +%s.%N)
    kill "$sampler"
    sampler=
    least=$(sort --numeric-sort "$logs/$name.memory" | head -n 1)
    awk "BEGIN { printf \"%-10s %6.1f s  up to %5d MiB  exit status %d\n\", \"$name\", $ended - $began, $before - $least, $status }"
    sed -n '/^site.yml: /p; /^ *verified in /p' "$logs/$name.log"
    return "$status"
}

[ "${1:-}" != --cold ] || "$here/wardstack" down --purge >"$logs/before.log" 2>&1
before=$(available)
measure up up
measure up-again up
measure plan plan
measure status status
measure down down
