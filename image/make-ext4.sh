#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a bare ext4 image of a folder, without root's rights.
#
#	make-ext4.sh FOLDER IMAGE SIZE [OPTION...]
#
# SIZE is mke2fs' (such as 64M), and so are the OPTIONs. Modes, owners, links, devices and extended
# attributes are the folder's; where they are not root's to give, what belongs to the caller
# belongs to root in the image. Nothing in the image is random, so the same folder gives the same.
set -eu

if [ $# -lt 3 ]; then
	echo 'usage: make-ext4.sh FOLDER IMAGE SIZE [OPTION...]' >&2
	exit 2
fi
folder=$1 image=$2 size=$3
shift 3
as_root=
[ "$(id -u)" -eq 0 ] || as_root=fakeroot

: >"$image"
$as_root /sbin/mke2fs -q -t ext4 -b 4096 -U 6e0f5b8c-7d0b-4a52-8f0c-0d2f4f6a1b01 \
	-E root_owner=0:0,hash_seed=6e0f5b8c-7d0b-4a52-8f0c-0d2f4f6a1b02 -L hati "$@" \
	-d "$folder" "$image" "$size"
