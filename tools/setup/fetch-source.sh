#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetches a Debian source package, for tests that build one in the guest.
#
#	fetch-source.sh PACKAGE FOLDER
#
# FOLDER gets what the package is made of (.dsc and archives). Nothing is done if they are there.
# The machine's own package sources need not name sources: the same places are asked. It exits with
# 77, and a line that says why, if they cannot be had.
set -eu

package=$1
folder=$2

cannot() {
	echo "fetch-source: $*" >&2
	exit 77
}

! ls "$folder/$package"_*.dsc >/dev/null 2>&1 || exit 0
command -v apt-get >/dev/null || cannot 'this is not a Debian system'
mkdir -p "$folder"
work=$(mktemp -d "$folder/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/parts" "$work/lists/partial" "$work/package"

# both forms of /etc/apt's lists, with sources in the place of packages
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
	[ -f "$list" ] || continue
	sed 's/^deb /deb-src /; s/^Types: deb$/Types: deb-src/' "$list" \
		>"$work/parts/$(basename "$list")"
done
apt() {
	(cd "$work/package" && apt-get -q -o Dir::Etc::sourcelist=/dev/null \
		-o Dir::Etc::sourceparts="$work/parts" -o Dir::State::lists="$work/lists" "$@") \
		>>"$folder/log" 2>&1
}

work=$(cd "$work" && pwd)
folder=$(cd "$folder" && pwd)
: >"$folder/log"
apt update || true # one list of many may be out of reach
apt source --download-only "$package" || cannot "$package cannot be had, see $folder/log"
mv "$work"/package/* "$folder/"
