#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Block devices: what a client writes it reads again (tests/block), on each kind of disk."""

import os
import tempfile

import guest

DISK_BYTES = 64 << 20

# For each kind: what the machine has (@ is the image), and what the disk is called.
DISKS = {
    'ram': ([], 'hati.ramdisk=16 block.name=ram0'),
    'virtio': (['--qemu', '-drive file=@,if=none,id=d,format=raw,discard=unmap '
                          '-device virtio-blk-pci,drive=d,num-queues=4'],
               'block.name=virtio-0'),
    'virtio-4096': (['--qemu', '-drive file=@,if=none,id=d,format=raw -device virtio-blk-pci,'
                               'drive=d,logical_block_size=4096,physical_block_size=4096'],
                    'block.name=virtio-0'),
    'virtio-iommu': (['--qemu-first', '-device intel-iommu',
                      '--qemu', '-drive file=@,if=none,id=d,format=raw -device virtio-blk-pci,'
                                'drive=d,iommu_platform=on,disable-legacy=on'],
                     'block.name=virtio-0'),
    'ahci': (['--qemu', '-drive file=@,if=none,id=d,format=raw,discard=unmap '
                        '-device ich9-ahci,id=a -device ide-hd,drive=d,bus=a.0,serial=HATI'],
             'block.name=ahci0p0'),
    'nvme': (['--qemu', '-drive file=@,if=none,id=d,format=raw,discard=unmap '
                        '-device nvme,drive=d,serial=HATI,max_ioqpairs=4'], 'block.name=nvme0n1'),
    'nvme-iommu': (['--qemu-first', '-device intel-iommu',
                    '--qemu', '-drive file=@,if=none,id=d,format=raw '
                              '-device nvme,drive=d,serial=HATI'],
                   'block.name=nvme0n1'),
}


def cases_of(disk, image):
    options, settings = DISKS[disk]
    options = [option.replace('@', image) for option in options]
    with open(image, 'wb') as file:
        file.truncate(DISK_BYTES)
    cases = guest.cases_of_program('block', *options, name='block-test', settings=settings,
                                   n_cases=8)
    return [case.replace('ok ', f'ok {disk}_', 1) for case in cases]


def main():
    with tempfile.TemporaryDirectory(prefix='hati-block-') as folder:
        image = os.path.join(folder, 'disk')
        guest.report([case for disk in DISKS for case in cases_of(disk, image)])


main()
