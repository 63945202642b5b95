#!/bin/sh
# Says what keeps this controller from building an image, before anything is built.
#
# usage: check-controller.sh CACHE NEEDED_MIB SUITE [MIRROR]
# Prints the mirror to use, or explains what is wrong and exits 1. Without MIRROR, apt's own first source that is Debian's.
set -eu
cache=$1 needed=$2 suite=$3 mirror=${4:-}

fail() { printf '%s\n' "$1" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "building a golden image needs root on the controller: run with sudo"
missing=
for tool in mmdebstrap mke2fs sfdisk grub-mkimage qemu-img flock unshare dpkg-query; do
  command -v "$tool" >/dev/null || missing="$missing $tool"
done
[ -f /usr/lib/grub/i386-pc/boot.img ] || missing="$missing grub-pc-bin"
[ -z "$missing" ] || fail "missing on the controller:$missing. Install mmdebstrap e2fsprogs fdisk grub-common grub-pc-bin qemu-utils"

mkdir -p "$cache"
free=$(df --output=avail --block-size=1M "$cache" | tail -n 1 | tr -d ' ')
[ "$free" -ge "$needed" ] || fail "$cache has $free MiB free, an image needs $needed MiB meanwhile: free some or name another golden_image_cache"

if [ -z "$mirror" ]; then
  # apt itself says what it uses; security has an archive of its own that holds no whole system.
  # shellcheck disable=SC2016 # the names are apt's
  mirror=$(apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)' | grep '^Debian|' | grep -v security |
    head -n 1 | cut -d'|' -f2 | sed 's,/$,,' || :)
  [ -n "$mirror" ] || fail "apt on this controller names no Debian mirror: name one as mirrors.debian in site.yml"
fi
probe=$(mktemp)
trap 'rm -f "$probe"' EXIT
# apt's own downloader, so that the proxies and certificates of the controller's apt settings hold here too.
if ! said=$(timeout 60 /usr/lib/apt/apt-helper download-file "$mirror/dists/$suite/InRelease" "$probe" 2>&1); then
  fail "the Debian mirror $mirror does not serve $suite: $(printf '%s' "$said" | grep '^[EW]:' | head -n 1)
Name a working one as mirrors.debian in site.yml, or repair the controller's apt settings."
fi
printf '%s\n' "$mirror"
