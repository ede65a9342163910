#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Block devices: what a client writes it reads again (tests/block), on each kind of disk."""

import os
import tempfile

import guest

DISK_BYTES = 64 << 20

_DRIVE = '-drive file=@,if=none,id=d,format=raw,discard=unmap'
_PLACE = 'addr=0x10'
_NAME = '0000:00:10.0'
_VIRTIO = f'{_DRIVE} -device virtio-blk-pci,{_PLACE},drive=d'
_NVME = f'{_DRIVE} -device nvme,{_PLACE},drive=d,serial=HATI'
_IOMMU = ['--qemu-first', '-device intel-iommu']

# For each kind: what the machine has (@ is the image), and what the disk is called.
DISKS = {
    'ram': ([], 'ram0'),
    'virtio': (['--qemu', f'{_VIRTIO},num-queues=4'], f'virtio-{_NAME}'),
    'virtio-4096': (['--qemu', f'{_VIRTIO},logical_block_size=4096,physical_block_size=4096'],
                    f'virtio-{_NAME}'),
    'virtio-iommu': (_IOMMU + ['--qemu', f'{_VIRTIO},iommu_platform=on,disable-legacy=on'],
                     f'virtio-{_NAME}'),
    'ahci': (['--qemu', f'{_DRIVE} -device ich9-ahci,{_PLACE},id=a '
                        '-device ide-hd,drive=d,bus=a.0,serial=HATI'], f'ahci-{_NAME}p0'),
    'nvme': (['--qemu', f'{_NVME},max_ioqpairs=4'], f'nvme-{_NAME}n1'),
    'nvme-iommu': (_IOMMU + ['--qemu', _NVME], f'nvme-{_NAME}n1'),
}
_N_CASES = 9


def cases_of(disk, image):
    options, name = DISKS[disk]
    options = [option.replace('@', image) for option in options]
    with open(image, 'wb') as file:
        file.truncate(DISK_BYTES)
    cases = guest.cases_of_program('block', *options, name='block-test', n_cases=_N_CASES,
                                   settings=f'hati.ramdisk=16 block.name={name}')
    return [case.replace('ok ', f'ok {disk}_', 1) for case in cases]


def main():
    with tempfile.TemporaryDirectory(prefix='hati-block-') as folder:
        image = os.path.join(folder, 'disk')
        guest.report([case for disk in DISKS for case in cases_of(disk, image)])


main()
