#!/bin/sh
# Seals the keys of the archive's storage, so that they lie on the disk only as what a quorum of key servers opens.
# Usage: seal-keys.sh FOLDER POLICY check|seal <KEYS
#   KEYS    line 1: secret of the storage user (cephx), line 2: key of the objects (hexadecimal)
#   POLICY  configuration of the quorum (clevis-encrypt-sss(1))
# Sealing gives other bytes each time and costs seconds, so a salted digest beside it tells whether it has to be done again.
# Prints "same" or "sealed" (with check: "differs").
set -eu
umask 077
folder=$1 policy=$2
keys=$(cat)

digest() { printf '%s\n%s\n%s\n' "$1" "$policy" "$keys" | sha256sum | cut -d' ' -f1; }

salt=
known=
if [ -s "$folder/archive-storage.jwe" ] && [ -r "$folder/archive-storage.digest" ]; then
  read -r salt known <"$folder/archive-storage.digest" || :
  if [ "$(digest "$salt")" = "$known" ]; then
    echo same
    exit 0
  fi
fi
if [ "$3" = check ]; then
  echo differs
  exit 0
fi

if [ "$(printf '%s\n' "$keys" | grep -c .)" -ne 2 ]; then
  echo "a key is missing: the secret of the storage user comes from a storage host, the key of the objects from the site's secrets" >&2
  exit 1
fi
mkdir -p "$folder"
chmod 0700 "$folder"
# The digest goes first and comes last: a run that was killed in between seals again.
rm -f "$folder/archive-storage.digest"
printf '%s\n' "$keys" | clevis encrypt sss "$policy" -y >"$folder/archive-storage.jwe.new"
sync "$folder/archive-storage.jwe.new"
mv "$folder/archive-storage.jwe.new" "$folder/archive-storage.jwe"
salt=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
printf '%s %s\n' "$salt" "$(digest "$salt")" >"$folder/archive-storage.digest"
echo sealed
