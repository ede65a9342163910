#!/bin/sh
# SPDX-License-Identifier: MIT
# The last step of make-image.sh: makes a machine of the new root. $1: the root.
set -eu

cd "$1"
echo hati >etc/hostname
printf '127.0.0.1\tlocalhost\n127.0.1.1\thati\n' >etc/hosts
printf 'LABEL=hati\t/\text4\terrors=remount-ro\t0\t1\n' >etc/fstab
# packages that are installed later come whole
rm -f etc/dpkg/dpkg.cfg.d/99mmdebstrap
# who sits at the console may log in as root
chroot . passwd --delete root >/dev/null
rm -rf var/cache/apt/*.bin var/cache/debconf/*-old var/lib/dpkg/*-old var/log/*.log var/log/apt
