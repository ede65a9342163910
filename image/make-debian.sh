#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a root folder of Debian 12 for `./hati run --root`, with mmdebstrap.
#
#	make-debian.sh [FOLDER]
#
# FOLDER, build/debian by default, gets `root`, the folder, and `root.cpio`, the same as an archive
# that the launcher need not pack on each run. debian/packages says what is in it, debian/left-out
# which of these packages' files are not. Nothing is done if the folder was made from the same two
# files by the same script.
#
# Root's rights come from root itself, or from sudo; without either, from a user namespace, and the
# files belong to whoever calls.
#
# It exits with 77, and a line that says why, if the packages cannot be had: there is no network, or
# this is not a Debian system.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/../build/debian}
suite=bookworm
mirror=http://deb.debian.org/debian

cannot() {
	echo "make-debian: $1"
	exit 77
}

# the words of a list without its comments
words_of() {
	sed 's/#.*//; /^ *$/d' "$here/debian/$1"
}

as_root=
mode=root
if [ "$(id -u)" -ne 0 ]; then
	if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		as_root='sudo -n'
	else
		mode=unshare
	fi
fi
log=$folder/log

make_root() {
	"$here/../tools/setup/install.sh" mmdebstrap gpgv >"$log" 2>&1 ||
		cannot "mmdebstrap cannot be installed, see $log"
	set -- --mode=$mode --variant=essential --format=tar \
		--aptopt='APT::Install-Recommends "false"'
	for pattern in $(words_of left-out | sed 's/^/--dpkgopt=path-exclude=/'); do
		set -- "$@" "$pattern"
	done
	echo "make-debian: making $folder/root, which takes a minute" >&2
	rm -f "$folder/stamp"
	$as_root rm -rf "$folder/root"
	$as_root mmdebstrap "$@" --include="$(words_of packages | xargs | tr ' ' ',')" \
		--customize-hook="$here/debian/clean.sh" $suite "$folder/root.tar" \
		"deb $mirror $suite main" >>"$log" 2>&1 </dev/null ||
		cannot "mmdebstrap failed, see $log"
	mkdir "$folder/root"
	$as_root tar -xf "$folder/root.tar" -C "$folder/root" --exclude='./dev/*'
	rm -f "$folder/root.tar" "$folder/root.cpio"
	echo "$stamp" >"$folder/stamp"
}

mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
stamp=$(cat "$0" "$here/debian/packages" "$here/debian/left-out" | sha256sum)
if [ "$(cat "$folder/stamp" 2>/dev/null)" != "$stamp" ]; then
	make_root
fi
archive=$folder/root.cpio
for packer in "$here/pack-root.py" "$here/../tools/launcher/cpio.py" \
	"$here/../tools/launcher/roots.py"; do
	if [ ! -e "$archive" ] || [ "$packer" -nt "$archive" ]; then
		$as_root python3 -B "$here/pack-root.py" "$folder/root" "$archive.new"
		mv "$archive.new" "$archive"
	fi
done
