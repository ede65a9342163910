#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a root folder of Debian 12 for `./hati run --root`, with mmdebstrap.
#
#	make-debian.sh [FOLDER]
#
# FOLDER, build/debian by default, gets `root`, the folder, and `root.cpio`, the same as an archive
# that the launcher need not pack on each run. debian/packages says what is in it, debian/left-out
# which of these packages' files are not. Nothing is done if the folder was made from the same
# files by the same script.
#
# Root's rights come from root itself, or from sudo; without either, from a user namespace, and the
# files belong to whoever calls.
#
# It exits with 77, and a line that says why, if the packages cannot be had: there is no network, or
# this is not a Debian system.
set -eu

. "$(dirname "$0")/debian/bootstrap.sh"
folder=${1:-$here/../build/debian}

make_root() {
	echo "make-debian: making $folder/root, which takes a minute" >&2
	rm -f "$folder/stamp"
	$as_root rm -rf "$folder/root"
	debian_tar essential "$here/debian/clean.sh" "$folder/root.tar" "$folder/log" packages
	mkdir "$folder/root"
	$as_root tar -xf "$folder/root.tar" -C "$folder/root" --exclude='./dev/*'
	rm -f "$folder/root.tar" "$folder/root.cpio"
	echo "$stamp" >"$folder/stamp"
}

mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
stamp=$(cat "$0" "$here/debian/bootstrap.sh" "$here/debian/packages" "$here/debian/left-out" |
	sha256sum)
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
