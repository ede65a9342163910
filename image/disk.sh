# SPDX-License-Identifier: MIT
# For the scripts that make disk images, which read it in: the layout, and how the parts are made.
# Nothing needs root's rights.
#
#	1	EFI system	FAT32, what a firmware and GRUB boot from
#	2	BIOS boot	GRUB, for a BIOS
#	3	Linux root	ext4
#
# In MiB, from the start of the disk; the last one is for the second copy of the table.

efi_start=1 efi_size=64
bios_start=65 bios_size=1
root_start=66
efi_type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
bios_type=21686148-6449-6E6F-744E-656564454649
root_type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709
disk_id=6E0F5B8C-7D0B-4A52-8F0C-0D2F4F6A1B
root_uuid=${disk_id}13
disk_packages='fdisk mtools e2fsprogs fakeroot'

# disk_table IMAGE SIZE: an empty image of SIZE MiB, with the table and an empty EFI partition
disk_table() {
	efi="start=${efi_start}M, size=${efi_size}M"
	bios="start=${bios_start}M, size=${bios_size}M"
	root="start=${root_start}M, size=$(disk_root_size "$2")M"
	truncate -s 0 "$1"
	truncate -s "${2}M" "$1"
	/sbin/sfdisk --quiet --no-reread --no-tell-kernel "$1" <<-END
		label: gpt
		label-id: ${disk_id}10
		$efi, name=efi, uuid=${disk_id}11, type=$efi_type
		$bios, name=bios, uuid=${disk_id}12, type=$bios_type
		$root, name=root, uuid=$root_uuid, type=$root_type
	END
	mformat -i "$1@@${efi_start}M" -F -v EFI -N 6E0F5B8C -c 1 -h 64 -s 32 \
		-T $((efi_size * 2048)) ::
}

# disk_root_size SIZE: MiB of the root on a disk of SIZE MiB
disk_root_size() {
	echo $(($1 - root_start - 1))
}

# disk_root IMAGE PART: PART, an image of a file system, becomes the root
disk_root() {
	dd if="$2" of="$1" bs=1M seek=$root_start conv=notrunc,sparse status=none
}
