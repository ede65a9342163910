#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a disk image of Debian 12 for `./hati run --root`, with mmdebstrap, without root's rights.
#
#	make-image.sh [FOLDER [EFI]]
#
# FOLDER, build/image by default, gets `debian.img`, of 4 GiB (SIZE= in the environment chooses
# another size, in MiB), most of which is a hole. Its partitions, as sfdisk makes them in a GPT:
#
#	1	EFI system	FAT32 with the contents of the folder EFI, if that is given
#	2	BIOS boot	empty
#	3	Linux root	ext4
#
# debian/image-packages says what is in the root, beside mmdebstrap's variant minbase, and
# debian/left-out which of these packages' files are not. If the image is there, made from the
# same files by the same script it stays, with what was written to it since, but for the files of
# EFI, which are copied each time. All ids are the same each time.
#
# It exits with 77, and a line that says why, if the packages cannot be had: there is no network, or
# this is not a Debian system.
set -eu

. "$(dirname "$0")/debian/bootstrap.sh"
folder=${1:-$here/../build/image}
folder=${folder%/}
efi=${2:-}
image=$folder/debian.img
log=$folder/log

# in MiB, from the start of the disk; the last one is for the second copy of the table
size=${SIZE:-4096}
efi_start=1 efi_size=64
bios_start=65 bios_size=1
root_start=66
root_size=$((size - root_start - 1))
efi_type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
bios_type=21686148-6449-6E6F-744E-656564454649
root_type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709

make_table() {
	truncate -s 0 "$image.new"
	truncate -s "${size}M" "$image.new"
	id=6E0F5B8C-7D0B-4A52-8F0C-0D2F4F6A1B
	/sbin/sfdisk --quiet --no-reread --no-tell-kernel "$image.new" <<-END
		label: gpt
		label-id: ${id}10
		start=${efi_start}M, size=${efi_size}M, name=efi, uuid=${id}11, type=$efi_type
		start=${bios_start}M, size=${bios_size}M, name=bios, uuid=${id}12, type=$bios_type
		start=${root_start}M, size=${root_size}M, name=root, uuid=${id}13, type=$root_type
	END
}

make_efi() {
	mformat -i "$image.new@@${efi_start}M" -F -v EFI -N 6E0F5B8C -c 1 -h 64 -s 32 \
		-T $((efi_size * 2048)) ::
}

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
		rm -rf "$1/root"' sh "$folder" "$here/make-ext4.sh" "${root_size}M"
	dd if="$folder/part" of="$image.new" bs=1M seek=$root_start conv=notrunc,sparse status=none
	rm -f "$folder/part"
}

make_image() {
	echo "make-image: making $image, which takes some minutes" >&2
	rm -f "$folder/stamp"
	"$here/../tools/setup/install.sh" fdisk mtools e2fsprogs fakeroot >"$log" 2>&1 ||
		cannot "what makes file systems cannot be installed, see $log"
	make_table
	make_efi
	make_root
	$as_root rm -f "$folder/root.tar"
	mv "$image.new" "$image"
	echo "$stamp" >"$folder/stamp"
}

mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
stamp=$(cat "$0" "$here/make-ext4.sh" "$here/debian/bootstrap.sh" "$here/debian/image-packages" \
	"$here/debian/image.sh" "$here/debian/left-out"; echo "$size")
stamp=$(echo "$stamp" | sha256sum)
if [ ! -e "$image" ] || [ "$(cat "$folder/stamp" 2>/dev/null)" != "$stamp" ]; then
	make_image
fi
if [ -n "$efi" ]; then
	mcopy -i "$image@@${efi_start}M" -s -m -o "$efi"/* ::/
fi
