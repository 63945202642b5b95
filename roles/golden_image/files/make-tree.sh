#!/bin/sh
# Makes the root tree of an archive node: Debian packages only, nothing configured.
#
# usage: make-tree.sh TREE SUITE MIRROR PACKAGE,PACKAGE,...
# TREE must not exist. Needs root and mmdebstrap. Fails as mmdebstrap fails.
set -eu
tree=$1 suite=$2 mirror=$3 packages=$4

# The accounts that own data on shared or kept disks have fixed numbers, the same on every node and in every later image.
# libLLVM and libz3 (157 MB) only serve PostgreSQL's JIT, which the patroni role switches off; without llvmjit.so PostgreSQL
# falls back by itself. Headers and static libraries come with libssl-dev, a dependency of the Orthanc package.
exec mmdebstrap --quiet --mode=root --variant=minbase --format=directory --include="$packages" \
  --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/i18n/*' \
  --dpkgopt='path-exclude=/usr/include/*' \
  --dpkgopt='path-exclude=/usr/lib/*/*.a' \
  --dpkgopt='path-exclude=/usr/lib/*/libLLVM*' \
  --dpkgopt='path-exclude=/usr/lib/*/libz3.so*' \
  --dpkgopt='path-exclude=/usr/lib/postgresql/*/lib/llvmjit.so' \
  --dpkgopt='path-exclude=/usr/lib/postgresql/*/lib/bitcode/*' \
  --essential-hook='mkdir -p "$1/etc/postgresql-common" "$1/etc/initramfs-tools/conf.d"' \
  --essential-hook='echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"' \
  --essential-hook='echo "MODULES=list" >"$1/etc/initramfs-tools/conf.d/wardstack"' \
  --essential-hook='printf "#!/bin/sh\nexit 101\n" >"$1/usr/sbin/policy-rc.d"; chmod 755 "$1/usr/sbin/policy-rc.d"' \
  --essential-hook='for account in etcd:731 orthanc:732 postgres:733; do
      name=${account%:*} number=${account#*:}
      echo "$name:x:$number:" >>"$1/etc/group"
      echo "$name:x:$number:$number::/var/lib/$name:/usr/sbin/nologin" >>"$1/etc/passwd"
    done' \
  --customize-hook='rm -f "$1/usr/sbin/policy-rc.d"' \
  "$suite" "$tree" "$mirror"
