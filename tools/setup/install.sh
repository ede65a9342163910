#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages that are missing, as root or through sudo; asks nothing. Does
# nothing, and needs no network, when all are there. Those are the packages that its arguments
# name; without any, those that the build needs.
set -eu

packages='
	clang-19 lld-19 llvm-19 libclang-rt-19-dev clang-format-19 clang-tidy-19
	meson ninja-build git make python3
	qemu-system-x86 busybox-static bash-static
	gcc libc6-dev musl-tools expect spin
	e2fsprogs fakeroot fdisk dosfstools mtools xorriso libsqlite3-dev
'
if [ $# -gt 0 ]; then
	packages=$*
fi

say() {
	echo "setup: $*" >&2
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	say 'this is not a Debian system; the build expects what these packages hold:' $packages
	exit 0
fi

# one line per package that dpkg knows; those that it does not know are missing, too
installed=$(dpkg-query -W -f '${db:Status-Abbrev}${binary:Package}\n' $packages 2>/dev/null |
	sed -n 's/^ii *\([^:]*\).*/\1/p')
missing=
for package in $packages; do
	case " $(echo $installed) " in
	*" $package "*) ;;
	*) missing="$missing $package" ;;
	esac
done
if [ -z "$missing" ]; then
	exit 0
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		say "these packages are missing, and there is no sudo to install them:$missing"
		exit 1
	fi
	as_root='sudo'
fi
export DEBIAN_FRONTEND=noninteractive
say "installing$missing"
install() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
		-o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 \
		--no-install-recommends $missing </dev/null
}
$as_root apt-get update -q </dev/null || say 'apt-get update failed, trying without it'
install
say 'all packages are installed'
