#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a disk image with partitions of a folder, without root's rights.
#
#	make-disk.sh FOLDER IMAGE SIZE [BOOT]
#
# The root, in ext4, is the FOLDER; SIZE is that of the disk in MiB. With the folder BOOT, which
# make-boot.sh makes, the disk boots. disk.sh says what its partitions are.
set -eu

if [ $# -lt 3 ]; then
	echo 'usage: make-disk.sh FOLDER IMAGE SIZE [BOOT]' >&2
	exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
. "$here/disk.sh"

disk_table "$2" "$3"
"$here/make-ext4.sh" "$1" "$2.part" "$(disk_root_size "$3")M"
disk_root "$2" "$2.part"
rm -f "$2.part"
if [ $# -gt 3 ]; then
	"$here/install-boot.sh" "$2" "$4"
fi
