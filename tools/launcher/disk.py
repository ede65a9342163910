# SPDX-License-Identifier: MIT
"""Disk images as roots: what is on one, how QEMU gets it, what the guest is told.

An image is raw: an ext2, ext3 or ext4 file system and nothing else, or a disk with a GPT or MBR. Of
several partitions the root is the one whose type says so, else the first one that has such a
file system.
"""

import os
import struct

from options import UsageError

_SECTOR = 512
_N_PARTITIONS_MAX = 128
_TYPE_LINUX_ROOT = bytes.fromhex('e3bc684fcde8b14d96e7fbcaf984b709')   # as it is on the disk
_MBR_EXTENDED = (0x05, 0x0f, 0x85)

# What ext2 and ext3 know of the three words of features; whoever has more is an ext4.
_HAS_JOURNAL = 0x4
_EXT3_INCOMPATIBLE = 0x2 | 0x4 | 0x10   # filetype, recover, meta_bg
_EXT3_READ_ONLY = 0x1 | 0x2             # sparse_super, large_file

# For each --disk: the name of the disk in the guest, that of a partition, QEMU's devices.
_KINDS = {
    'virtio': ('vda', 'vda{}', ['-device', 'virtio-blk-pci,drive=root']),
    'nvme': ('nvme0n1', 'nvme0n1p{}', ['-device', 'nvme,drive=root,serial=root']),
    # the board has an AHCI controller
    'ahci': ('sda', 'sda{}', ['-device', 'ide-hd,drive=root,bus=ide.0']),
    'ide': ('sda', 'sda{}', ['-device', 'piix4-ide,id=piix',
                             '-device', 'ide-hd,drive=root,bus=piix.0']),
}


def _ext_type(file, start):
    """'ext2', 'ext3', 'ext4', or None if that is not what begins at a byte of the file."""
    file.seek(start + 1024)
    block = file.read(0x68)
    if len(block) < 0x68 or block[0x38:0x3a] != b'\x53\xef':
        return None
    log_block_size = struct.unpack_from('<I', block, 0x18)[0]
    compatible, incompatible, read_only = struct.unpack_from('<III', block, 0x5c)
    if log_block_size > 6 or block[:4] == b'\0\0\0\0':
        return None
    if incompatible & ~_EXT3_INCOMPATIBLE or read_only & ~_EXT3_READ_ONLY:
        return 'ext4'
    return 'ext3' if compatible & _HAS_JOURNAL else 'ext2'


def _gpt_partitions(file, header):
    """[(number, first byte, is the root by its type)] of a GPT."""
    first, n_entries, entry_bytes = struct.unpack_from('<QII', header, 72)
    partitions = []
    for i in range(min(n_entries, _N_PARTITIONS_MAX)):
        file.seek(first * _SECTOR + i * entry_bytes)
        entry = file.read(128)
        if len(entry) == 128 and entry[:16] != b'\0' * 16:
            start = struct.unpack_from('<Q', entry, 32)[0]
            partitions.append((i + 1, start * _SECTOR, entry[:16] == _TYPE_LINUX_ROOT))
    return partitions


def _mbr_partitions(sector):
    """The same of an MBR: its primary partitions."""
    partitions = []
    for i in range(4):
        entry = sector[446 + 16 * i:462 + 16 * i]
        start, n_sectors = struct.unpack_from('<II', entry, 8)
        if entry[0] & 0x7f or (entry[4] and not n_sectors):
            return []   # code of a boot sector, but no table
        if entry[4] and entry[4] not in _MBR_EXTENDED:
            partitions.append((i + 1, start * _SECTOR, False))
    return partitions


def _partitions(file):
    """The partitions of a disk, or None if it has no table."""
    file.seek(0)
    sectors = file.read(2 * _SECTOR)
    if sectors[_SECTOR:_SECTOR + 8] == b'EFI PART' and len(sectors) == 2 * _SECTOR:
        return _gpt_partitions(file, sectors[_SECTOR:])
    if sectors[510:512] == b'\x55\xaa':
        return _mbr_partitions(sectors) or None
    return None


class Image:
    """A disk image; partition 0 is a file system without a table."""

    def __init__(self, path, partition, type_name, kind='virtio', is_snapshot=False):
        self.path = path
        self.partition = partition
        self.type = type_name
        self.kind = kind
        self.is_snapshot = is_snapshot

    def command_line(self):
        """The words that tell the guest where its root is, as Linux has them."""
        disk, partition, _ = _KINDS[self.kind]
        name = partition.format(self.partition) if self.partition else disk
        return [f'root=/dev/{name}', f'rootfstype={self.type}', 'rw']

    def qemu_arguments(self, is_booted=False):
        """QEMU's; is_booted: its firmware boots this disk."""
        path = self.path.replace(',', ',,')
        snapshot = 'on' if self.is_snapshot else 'off'
        drive = f'file={path},if=none,id=root,format=raw,discard=unmap,snapshot={snapshot}'
        devices = _KINDS[self.kind][2]
        if is_booted:
            devices = [word + ',bootindex=0' if ',drive=root' in word else word for word in devices]
        return ['-drive', drive, *devices]


def recognise(path):
    """The Image that a file is, or None. Raises UsageError for a disk that has no root."""
    with open(path, 'rb') as file:
        type_name = _ext_type(file, 0)
        if type_name:
            return Image(path, 0, type_name)
        partitions = _partitions(file)
        if partitions is None:
            return None
        for number, start, _ in sorted(partitions, key=lambda partition: not partition[2]):
            type_name = _ext_type(file, start)
            if type_name:
                return Image(path, number, type_name)
    raise UsageError(f"--root: no partition of '{path}' has an ext2, ext3 or ext4 file system")


def image_of(options):
    """The Image that --root names, or None if it names none."""
    image = None
    if options.root is not None and not os.path.isdir(options.root):
        try:
            image = recognise(options.root)
        except OSError as error:
            raise UsageError(f"--root: cannot read '{options.root}': {error.strerror}") from error
    if image is not None:
        image.kind = options.disk or image.kind
        image.is_snapshot = options.snapshot
    elif options.disk is not None or options.snapshot:
        option = '--snapshot' if options.disk is None else '--disk'
        raise UsageError(f'{option}: --root does not name a disk image')
    return image
