#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetches the sources of ACPICA, the interpreter of ACPI bytecode that servers/acpi is made of.
#
#	fetch-acpica.sh [FOLDER]
#
# FOLDER, build/acpica by default, gets `source` and `include`. Nothing is done if they are there.
# They are those of Debian's package of Linux' sources, where ACPICA may be used under the BSD
# licence: its own source package cannot be had from every mirror. What cannot be fetched is no
# error: without it the build leaves the server out.
set -eu

folder=${1:-$(dirname "$0")/../../build/acpica}
package=linux-source-6.1

say() {
	echo "setup: $*" >&2
}

[ ! -d "$folder/source" ] || exit 0
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
	say 'this is not a Debian system; ACPI bytecode will not be interpreted'
	exit 0
fi
mkdir -p "$folder"
work=$(mktemp -d "$folder/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
say "fetching $package for ACPICA, which takes a minute"

unpack() {
	tar=usr/src/$package.tar.xz
	dpkg-deb --fsys-tarfile "$work"/"$package"_*.deb | tar -xO "./$tar" |
		tar -xJ -C "$work" --wildcards "$package/drivers/acpi/acpica/*" \
			"$package/include/acpi/*"
}

if ! (cd "$work" && apt-get download -q $package) >"$folder/log" 2>&1 ||
	! unpack >>"$folder/log" 2>&1; then
	say "it cannot be had, see $folder/log; ACPI bytecode will not be interpreted"
	exit 0
fi
mv "$work/$package/include" "$folder/include"
mv "$work/$package/drivers/acpi/acpica" "$folder/source"
