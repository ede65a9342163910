#!/bin/sh
# SPDX-License-Identifier: MIT
# Collects what boots a disk without the launcher, for install-boot.sh.
#
#	make-boot.sh BUILD FOLDER [WORD...]
#
# BUILD is a folder that `make guest` has filled, such as build/x86_64-debug. The WORDs become the
# kernel's command line; without any it names the root of disk.sh. FOLDER gets
#
#	efi/EFI/BOOT/BOOTX64.EFI	eir, as an application of a UEFI firmware
#	efi/hati/eir			eir, as GRUB loads it
#	efi/hati/initrd			the system and the root in memory, as the launcher has them
#	efi/hati/boot.cfg		the command line, for both
#	efi/hati/grub.cfg		what GRUB does
#	boot.img, core.img		GRUB
#
# It exits with 77, and a line that says why, if Debian's packages of GRUB cannot be had.
set -eu

if [ $# -lt 2 ]; then
	echo 'usage: make-boot.sh BUILD FOLDER [WORD...]' >&2
	exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
. "$here/disk.sh"
build=$1 folder=$2
shift 2
[ $# -gt 0 ] || set -- "root=PARTUUID=$(echo "$root_uuid" | tr A-F a-f)" rootfstype=ext4 rw
case "$*" in
*[\"\$\\]*)
	echo "make-boot: GRUB would read quotes, \$ and \\ in another way: $*" >&2
	exit 2
	;;
esac
grub=/usr/lib/grub/i386-pc

if ! log=$("$here/../tools/setup/install.sh" grub-common grub-pc-bin mtools 2>&1) ||
	[ ! -e "$grub/boot.img" ]; then
	echo "make-boot: GRUB cannot be installed: $(echo "$log" | tail -1)"
	exit 77
fi

rm -rf "$folder/efi"
mkdir -p "$folder/efi/EFI/BOOT" "$folder/efi/hati"
cp "$build/boot/eir/BOOTX64.EFI" "$folder/efi/EFI/BOOT"
cp "$build/boot/eir/eir" "$folder/efi/hati"
for archive in system root; do
	cat "$build/image/$archive.cpio" >>"$folder/efi/hati/initrd"
	truncate -s %4096 "$folder/efi/hati/initrd"
done

cat >"$folder/efi/hati/boot.cfg" <<END
# What boots, with which command line. eir reads this, and so does GRUB.
initrd="/hati/initrd"
options="$*"
END

cat >"$folder/efi/hati/grub.cfg" <<'END'
# A BIOS starts GRUB, and that eir.
insmod all_video
source /hati/boot.cfg
multiboot2 /hati/eir $options
module2 $initrd
boot
END

# all modules are in it; (,gpt1) is on the disk that it was loaded from
cp "$grub/boot.img" "$folder"
grub-mkimage -O i386-pc -o "$folder/core.img" -p '(,gpt1)/hati' \
	all_video biosdisk boot configfile fat gfxterm multiboot2 normal part_gpt test
