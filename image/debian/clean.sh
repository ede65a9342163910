#!/bin/sh
# SPDX-License-Identifier: MIT
# The last step of make-debian.sh: takes off the new root what can be made again. $1: the root.
set -eu

cd "$1"
rm -rf var/cache/* var/log/* var/lib/apt var/lib/dpkg/info var/lib/dpkg/*-old
# compiled tests are run once at most; compiled libraries save each start of Python some time
find usr/lib/python3.11 -path '*test*/__pycache__' -prune -exec rm -rf {} +
