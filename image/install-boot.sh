#!/bin/sh
# SPDX-License-Identifier: MIT
# Copies what make-boot.sh has made to a disk image that make-disk.sh or make-image.sh made.
#
#	install-boot.sh IMAGE BOOT
#
# GRUB is two files outside of all file systems: the boot sector loads the first sector of the BIOS
# boot partition, and that the others. Each has the number of the next sector in it, where
# `grub-install` writes it, too; the table in the boot sector stays.
set -eu

if [ $# -ne 2 ]; then
	echo 'usage: install-boot.sh IMAGE BOOT' >&2
	exit 2
fi
. "$(dirname "$0")/disk.sh"
image=$1 boot=$2
boot_code_size=440
boot_next=$((0x5c))	# in boot.img
core_next=$((0x1f4))	# in the first sector of core.img
first=$((bios_start * 2048))

# number N: N as 8 bytes, the lowest first
number() {
	rest=$1
	for _ in 1 2 3 4 5 6 7 8; do
		printf "\\$(printf %03o $((rest % 256)))"
		rest=$((rest / 256))
	done
}

# put OFFSET: stdin comes to that byte of the image
put() {
	dd of="$image" bs=1M seek="$1" oflag=seek_bytes conv=notrunc iflag=fullblock status=none
}

mcopy -i "$image@@${efi_start}M" -s -m -o "$boot"/efi/* ::/
if [ "$(stat -c %s "$boot/core.img")" -gt $((bios_size << 20)) ]; then
	echo 'install-boot: GRUB does not fit into its partition' >&2
	exit 1
fi
head -c $boot_code_size "$boot/boot.img" | put 0
number $first | put $boot_next
put $((bios_start << 20)) <"$boot/core.img"
number $((first + 1)) | put $(((bios_start << 20) + core_next))
