#!/bin/sh
# SPDX-License-Identifier: MIT
# What runs in the guest with two disks: one is measured as it is, the other has ext4.
n=0
until [ -b /dev/vdb ]; do
	n=$((n + 1))
	[ $n -lt 100 ] || exit 1
	sleep 0.1
done
mkdir -p /mnt
mount -t ext4 /dev/vdb /mnt || exit 1
osbench --disk /dev/vda --dir /mnt "$@"
status=$?
umount /mnt
exit $status
