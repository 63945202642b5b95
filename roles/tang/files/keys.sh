#!/bin/sh
# Make the keys of a key server where they are missing.
# Usage: keys.sh DIRECTORY check|make
# A server needs two keys: ES512 signs what it offers, ECMR exchanges. A run that was killed between the two leaves one.
# Prints "complete" or "made" (with check: "missing"). Keys are never removed.
set -eu
directory=$1
has() { grep -Eqs "\"alg\": *\"$1\"" "$directory"/*.jwk; }
if has ES512 && has ECMR; then
  echo complete
  exit 0
fi
if [ "$2" = check ]; then
  echo missing
  exit 0
fi
/usr/libexec/tangd-keygen "$directory"
echo made
