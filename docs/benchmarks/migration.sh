#!/bin/sh
# Live migration of an archive node by Wardstack (Pacemaker decides and carries out), and of the same VM by a bare
# `virsh migrate` with the cluster's hands off it, alternately. As root, with the lab up:
#     docs/benchmarks/migration.sh [VM] [ROUNDS]
# Prints one line per migration: seconds from order to end, and the VM's pause in ms as QEMU tells it. The bare tool moves the
# VM away and back, so that it ends where the cluster believes it is; interrupted, it brings it back, or says that it cannot.
set -eu

vm=${1:-a1}
rounds=${2:-3}
resource=vm-$vm
here=$(dirname "$(readlink -f "$0")")/../..

on() { # HOST COMMAND...; what the host says on login is left out
    host=$1
    shift
    echo "echo @@; $*" | "$here/wardstack" lab shell "$host" 2>/dev/null | sed '1,/^@@$/d'
}
where() { on h1 "crm_resource --resource $resource --locate --quiet"; }
other() { for host in h1 h2 h3; do [ "$host" = "$1" ] || echo "$host"; done | head -n 1; }
hands_off() { on h1 "crm_resource --resource $resource --meta --set-parameter maintenance --parameter-value $1" >/dev/null; }

state() { on "$1" "virsh domstate $vm 2>&1" | head -n 1; }

bare() { # FROM TO
    began=$(date +%s.%N)
    on "$1" "virsh --quiet migrate --live --p2p --tls $vm qemu+tls://$2/system"
    ended=$(date +%s.%N)
    [ "$(state "$2")" = running ] || { echo "virsh: $vm did not arrive on $2" >&2; return 0; }
    pause=$(on "$2" "virsh domjobinfo $vm --completed" | awk '/Total downtime/ { print $3 }')
    printf '%-10s %s -> %s  %5.1f s  paused %s ms\n' virsh "$1" "$2" "$(awk "BEGIN { print $ended - $began }")" "$pause"
}

moving() { on "$1" "virsh domjobinfo $vm 2>&1" | grep -q '^Job type: *\(Unbounded\|Bounded\)'; }

# The cluster gets the VM back only where it believes it is: elsewhere it would start it a second time, on the same disks.
hand_back() {
    while moving "$home"; do sleep 1; done
    [ "$(state "$away")" != running ] || bare "$away" "$home"
    if [ "$(state "$home")" != running ]; then
        echo "$vm does not run on $home, where the cluster believes it is: it stays out of the cluster's hands." >&2
        echo "Bring it to $home (virsh migrate), then: crm_resource --resource $resource --meta" \
            "--set-parameter maintenance --parameter-value false" >&2
        exit 1
    fi
    hands_off false
}

for _ in $(seq "$rounds"); do
    "$here/wardstack" migrate "$vm" | sed -n "s/^.*: \($vm went\)/wardstack  \1/p"
    home=$(where)
    away=$(other "$home")
    trap hand_back EXIT
    trap 'exit 130' INT TERM
    hands_off true
    bare "$home" "$away"
    bare "$away" "$home"
    trap - EXIT INT TERM
    hand_back
done
