#!/bin/sh
# Makes a bootable disk of a root tree without loop device, mount or device-mapper.
#
# usage: make-disk.sh TREE DISK.qcow2 SIZE_MIB
# BIOS boot, MBR, one ext4 partition from sector 2048 (cloud-init grows it to the volume). Needs sfdisk, mke2fs, grub-pc-bin,
# qemu-img. The tree is only read. The raw disk lies beside DISK as DISK.raw meanwhile.
set -eu
tree=$1 disk=$2 size=$3
raw=$disk.raw
core=$disk.core

rm -f "$raw" "$core"
truncate -s "${size}M" "$raw"
echo 'start=2048, type=83, bootable' | sfdisk --quiet "$raw"
# One MiB less for the partition table in front; inode tables are written by mke2fs so that the guest does not do it at first boot.
mke2fs -q -F -t ext4 -L wardstack-root -d "$tree" -m 1 -E offset=1048576,lazy_itable_init=0,nodiscard "$raw" "$((size - 1))M"

# shellcheck disable=SC2016 # $root is grub's variable
printf 'set root=(hd0,msdos1)\nset prefix=($root)/boot/grub\n' >"$core.cfg"
grub-mkimage -O i386-pc -o "$core" -p '(hd0,msdos1)/boot/grub' -c "$core.cfg" biosdisk part_msdos ext2 linux normal boot configfile
[ "$(stat -c %s "$core")" -lt $((2047 * 512)) ] # it must fit between the table and the partition
dd if=/usr/lib/grub/i386-pc/boot.img of="$raw" bs=440 count=1 conv=notrunc status=none
dd if="$core" of="$raw" bs=512 seek=1 conv=notrunc status=none
qemu-img convert -O qcow2 -c -o compression_type=zstd "$raw" "$disk"
rm -f "$raw" "$core" "$core.cfg"
