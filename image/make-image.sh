#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a disk image of Debian 12 for `./hati run --root`, with mmdebstrap, without root's rights.
#
#	make-image.sh [FOLDER [BOOT]]
#
# FOLDER, build/image by default, gets `debian.img`, of 4 GiB (SIZE= in the environment chooses
# another size, in MiB), most of which is a hole. disk.sh says what its partitions are; it boots if
# there is a folder BOOT, which make-boot.sh makes.
#
# debian/image-packages says what is in the root, beside mmdebstrap's variant minbase, and
# debian/left-out which of these packages' files are not. If the image is there, made from the
# same files by the same scripts it stays, with what was written to it since, but for what is in
# BOOT, which is copied each time. All ids are the same each time.
#
# It exits with 77, and a line that says why, if the packages cannot be had: there is no network, or
# this is not a Debian system.
set -eu

. "$(dirname "$0")/debian/bootstrap.sh"
. "$here/disk.sh"
folder=${1:-$here/../build/image}
folder=${folder%/}
boot=${2:-}
image=$folder/debian.img
log=$folder/log

size=${SIZE:-4096}

# whoever has no right to give files away has them so for fakeroot, for as long as that runs
make_root() {
	debian_tar minbase "$here/debian/image.sh" "$folder/root.tar" "$log" image-packages
	fake=
	[ "$(id -u)" -eq 0 ] || fake=fakeroot
	rm -rf "$folder/root"
	mkdir "$folder/root"
	$fake sh -euc '
		tar --xattrs --xattrs-include="*" -xf "$1/root.tar" -C "$1/root" --exclude="./dev/*"
		"$2" "$1/root" "$1/part" "$3"
		rm -rf "$1/root"' sh "$folder" "$here/make-ext4.sh" "$(disk_root_size "$size")M"
	disk_root "$image.new" "$folder/part"
	rm -f "$folder/part"
}

make_image() {
	echo "make-image: making $image, which takes some minutes" >&2
	rm -f "$folder/stamp"
	"$here/../tools/setup/install.sh" $disk_packages >"$log" 2>&1 ||
		cannot "what makes file systems cannot be installed, see $log"
	disk_table "$image.new" "$size"
	make_root
	$as_root rm -f "$folder/root.tar"
	mv "$image.new" "$image"
	echo "$stamp" >"$folder/stamp"
}

mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
stamp=$(cat "$0" "$here/disk.sh" "$here/make-ext4.sh" "$here/debian/bootstrap.sh" \
	"$here/debian/image-packages" "$here/debian/image.sh" "$here/debian/left-out"; echo "$size")
stamp=$(echo "$stamp" | sha256sum)
if [ ! -e "$image" ] || [ "$(cat "$folder/stamp" 2>/dev/null)" != "$stamp" ]; then
	make_image
fi
if [ -n "$boot" ]; then
	"$here/install-boot.sh" "$image" "$boot"
fi
