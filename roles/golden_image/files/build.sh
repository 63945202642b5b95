#!/bin/sh
# Builds the root tree and the disk image of an archive node under temporary names and renames each when it is complete, so that
# a run killed at any point leaves nothing that looks finished; the next run starts over what is missing.
#
# usage: build.sh CACHE KEY SUITE MIRROR PACKAGES SIZE_MIB KERNEL_OPTIONS
# Makes CACHE/roots/guest-KEY, CACHE/images/archive-KEY.qcow2 and, last, CACHE/images/archive-KEY.json.
set -eu
cache=$1 key=$2 suite=$3 mirror=$4 packages=$5 size=$6 options=$7
here=$(dirname "$0")
tree=$cache/roots/guest-$key
image=$cache/images/archive-$key

mkdir -p "$cache/roots" "$cache/images"
exec 9>"$cache/images/.archive-$key.lock"
flock --nonblock 9 || { echo "another build of this image is running: wait for it" >&2; exit 1; }

if [ ! -d "$tree" ]; then
  partial=$cache/roots/.guest-$key.partial
  rm -rf "$partial"
  sh "$here/make-tree.sh" "$partial" "$suite" "$mirror" "$packages"
  sh "$here/configure-tree.sh" "$partial" "$mirror" "$suite" "$options"
  mv "$partial" "$tree"
fi

partial=$cache/images/.archive-$key.partial
rm -f "$partial"*
sh "$here/make-disk.sh" "$tree" "$partial" "$size"
mv "$partial" "$image.qcow2"
python3 "$here/manifest.py" "$tree" "$image.qcow2" "$key" "$suite" >"$partial.json"
mv "$partial.json" "$image.json"
rm -f "$cache/images/.archive-$key.lock"
