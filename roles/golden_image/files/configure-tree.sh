#!/bin/sh
# Turns a fresh root tree into that of a golden image: quick to boot, every service off until a role configures it.
#
# usage: configure-tree.sh TREE MIRROR SUITE KERNEL_OPTIONS
# Needs root. The tree's units, initramfs and cloud-init are trimmed because each costs seconds under CPU emulation.
set -eu
tree=$1 mirror=$2 suite=$3 kernel_options=$4

in_tree() { unshare --mount sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$tree" "$@"; }

# Services that Debian enables at installation. The roles enable what they have configured.
in_tree systemctl --quiet disable etcd haproxy keepalived orthanc patroni postgresql rbdmap.service ceph.target \
  clevis-luks-askpass.path unattended-upgrades.service sshd-keygen.service

# Without use on a virtual machine without console, TPM, LVM or man pages; each costs boot time or wakes up at night.
for unit in \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer man-db.timer e2scrub_all.timer e2scrub_reap.service \
  ldconfig.service systemd-hwdb-update.service systemd-journal-catalog-update.service systemd-update-done.service \
  systemd-binfmt.service proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount \
  dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
  sys-fs-fuse-connections.mount modprobe@configfs.service modprobe@fuse.service modprobe@drm.service \
  modprobe@efi_pstore.service systemd-pstore.service \
  systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-pcrmachine.service systemd-tpm2-setup.service \
  systemd-tpm2-setup-early.service tpm2.target getty@tty1.service getty-static.service autovt@.service \
  serial-getty@ttyS0.service systemd-vconsole-setup.service cloud-init-hotplugd.socket \
  systemd-networkd-wait-online.service systemd-networkd-persistent-storage.service \
  systemd-rfkill.service systemd-rfkill.socket systemd-firstboot.service systemd-hostnamed.socket \
  systemd-sysext.socket systemd-mute-console.socket systemd-creds.socket systemd-bootctl.socket \
  systemd-pcrlock.socket systemd-pcrextend.socket; do
  ln -sfn /dev/null "$tree/etc/systemd/system/$unit"
done
in_tree systemctl --quiet enable systemd-networkd.service systemd-resolved.service ssh.service

# SysV scripts doubled by units make the sysv generator run for nothing.
rm -f "$tree"/etc/rc?.d/* "$tree"/etc/init.d/etcd "$tree"/etc/init.d/patroni "$tree"/etc/init.d/orthanc

# Generators run at boot and at every reload of units, which roles ask for often; these find nothing to do here.
mkdir -p "$tree/etc/systemd/system-generators"
for generator in postgresql-generator systemd-debug-generator systemd-gpt-auto-generator systemd-hibernate-resume-generator \
  systemd-integritysetup-generator systemd-rc-local-generator systemd-run-generator systemd-ssh-generator \
  systemd-system-update-generator systemd-sysv-generator systemd-tpm2-generator systemd-veritysetup-generator; do
  ln -sfn /dev/null "$tree/etc/systemd/system-generators/$generator"
done

# LLMNR would be an open port that no clause names.
mkdir -p "$tree/etc/systemd/resolved.conf.d" "$tree/etc/systemd/journald.conf.d" "$tree/etc/ssh/sshd_config.d"
printf '[Resolve]\nLLMNR=no\nMulticastDNS=no\n' >"$tree/etc/systemd/resolved.conf.d/10-wardstack.conf"
printf '[Journal]\nStorage=persistent\nSystemMaxUse=200M\nForwardToSyslog=no\n' >"$tree/etc/systemd/journald.conf.d/10-wardstack.conf"
printf 'UseDNS no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n' >"$tree/etc/ssh/sshd_config.d/10-wardstack.conf"

# The smallest initramfs that finds its root disk on any of the engines' buses.
cat >"$tree/etc/initramfs-tools/conf.d/wardstack" <<'EOF'
MODULES=list
COMPRESS=zstd
EOF
cat >"$tree/etc/initramfs-tools/modules" <<'EOF'
virtio_pci
virtio_blk
virtio_scsi
virtio_net
virtio_rng
sd_mod
ext4
EOF
in_tree update-initramfs -u >/dev/null

# The links follow a kernel update, so that grub.cfg never changes. The root is mounted read-write at once: no fstab, no remount.
mkdir -p "$tree/boot/grub"
cat >"$tree/boot/grub/grub.cfg" <<EOF
set timeout=0
linux /vmlinuz root=LABEL=wardstack-root rw $kernel_options
initrd /initrd.img
boot
EOF
: >"$tree/etc/fstab"

# cloud-init does only what an engine's seed asks for: name, address, keys, disk growth.
rm -f "$tree"/etc/cloud/cloud.cfg.d/*
cat >"$tree/etc/cloud/cloud.cfg" <<'EOF'
users: [default]
disable_root: true
preserve_hostname: false
ssh_deletekeys: true
ssh_genkeytypes: [ed25519]
locale: false
apt_preserve_sources_list: true
datasource_list: [NoCloud, ConfigDrive, OpenStack, None]
cloud_init_modules: [seed_random, growpart, resizefs, set_hostname, users_groups, ssh, write_files]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts_user]
system_info:
  distro: debian
  default_user: {name: ansible, lock_passwd: true, shell: /bin/bash, sudo: ["ALL=(ALL) NOPASSWD:ALL"]}
  network: {renderers: [networkd]}
EOF
# Without a data source (a system container) cloud-init stays off instead of waiting for the network.
printf 'policy: search,found=first,maybe=none,notfound=disabled\n' >"$tree/etc/cloud/ds-identify.cfg"

cat >"$tree/etc/apt/sources.list.d/debian.sources" <<EOF
Types: deb
URIs: $mirror
Suites: $suite $suite-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
EOF
rm -f "$tree/etc/apt/sources.list"

# What every node must have of its own is made at its first boot.
echo archive >"$tree/etc/hostname"
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >"$tree/etc/hosts"
: >"$tree/etc/machine-id"
rm -rf "$tree"/etc/ssh/ssh_host_* "$tree/var/lib/dbus/machine-id" "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* \
  "$tree"/var/log/*.log "$tree"/var/log/apt "$tree"/var/cache/debconf/*-old "$tree"/usr/lib/udev/hwdb.bin \
  "$tree"/var/cache/ldconfig "$tree"/usr/share/dicom/*.tmp
