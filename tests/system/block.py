#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 300
"""Block devices: what a client writes it reads again (tests/block), on each kind of disk."""

import os
import tempfile

import guest

DISK_BYTES = 64 << 20
READ_ONLY_BYTES = 4 << 20

_DRIVE = '-drive file=@,if=none,id=d,format=raw,discard=unmap'
_READ_ONLY = '-drive file=@,if=none,id=d,format=raw,read-only=on'
_PLACE = 'addr=0x10'
_NAME = '0000:00:10.0'
_VIRTIO = f'{_DRIVE} -device virtio-blk-pci,{_PLACE},drive=d'
_LEGACY = 'disable-modern=on,disable-legacy=off'
_NVME = f'{_DRIVE} -device nvme,{_PLACE},drive=d,serial=HATI'
_IDE_BUS = f'-device piix4-ide,{_PLACE},id=i'
_IDE = f'{_DRIVE} {_IDE_BUS} -device ide-hd,drive=d,bus=i.0'
_EMPTY_SLOT = '-device ide-cd,bus=i.1,unit=0'
_DISC = f'{_READ_ONLY} {_IDE_BUS} -device ide-cd,drive=d,bus=i.0'
_IOMMU = ['--qemu-first', '-device intel-iommu']
_NO_DMA = ['--append', 'ide.dma=off block.rounds=6']

# For each kind: what the machine has (@ is the image), and what the disk is called.
DISKS = {
    'ram': ([], 'ram0'),
    'virtio': (['--qemu', f'{_VIRTIO},num-queues=4'], f'virtio-{_NAME}'),
    'virtio-4096': (['--qemu', f'{_VIRTIO},logical_block_size=4096,physical_block_size=4096'],
                    f'virtio-{_NAME}'),
    'virtio-no-events': (['--qemu', f'{_VIRTIO},event_idx=off'], f'virtio-{_NAME}'),
    'virtio-line': (['--qemu', f'{_VIRTIO},vectors=0'], f'virtio-{_NAME}'),
    'virtio-legacy': (['--qemu', f'{_VIRTIO},{_LEGACY},num-queues=4'], f'virtio-{_NAME}'),
    'virtio-legacy-line': (['--qemu', f'{_VIRTIO},{_LEGACY},vectors=0,event_idx=off'],
                           f'virtio-{_NAME}'),
    'virtio-iommu': (_IOMMU + ['--qemu', f'{_VIRTIO},iommu_platform=on,disable-legacy=on'],
                     f'virtio-{_NAME}'),
    'ahci': (['--qemu', f'{_DRIVE} -device ich9-ahci,{_PLACE},id=a '
                        '-device ide-hd,drive=d,bus=a.0,serial=HATI'], f'ahci-{_NAME}p0'),
    'ide': (['--qemu', _IDE], f'ide-{_NAME}c0d0'),
    # the second drive of the second channel; the first one has no disc
    'ide-second': (['--qemu', f'{_DRIVE} {_IDE_BUS} {_EMPTY_SLOT} '
                              '-device ide-hd,drive=d,bus=i.1,unit=1'], f'ide-{_NAME}c1d1'),
    'ide-pio': (_NO_DMA + ['--qemu', _IDE], f'ide-{_NAME}c0d0'),
    'ide-iommu': (_IOMMU + ['--qemu', _IDE], f'ide-{_NAME}c0d0'),
    # memory that the controller does not reach
    'ide-far': (['--memory', '5G', '--qemu', _IDE], f'ide-{_NAME}c0d0'),
    'nvme': (['--qemu', f'{_NVME},max_ioqpairs=4'], f'nvme-{_NAME}n1'),
    'nvme-iommu': (_IOMMU + ['--qemu', _NVME], f'nvme-{_NAME}n1'),
}
READ_ONLY_DISKS = {
    'disc': (['--qemu', _DISC], f'ide-{_NAME}c0d0'),
    'disc-pio': (_NO_DMA + ['--qemu', _DISC], f'ide-{_NAME}c0d0'),
    'virtio-read-only': (['--qemu', f'{_READ_ONLY} -device virtio-blk-pci,{_PLACE},drive=d'],
                         f'virtio-{_NAME}'),
}
_N_CASES = 17
_N_CASES_READ_ONLY = 4


def make_image(path, n_bytes):
    with open(path, 'wb') as file:
        file.truncate(n_bytes)


def make_pattern(path, n_bytes):
    """As pattern() of tests/block/client.c with salt 0."""
    sectors = [bytes((i * 7 + sector * 13) & 255 for i in range(512)) for sector in range(256)]
    with open(path, 'wb') as file:
        for sector in range(n_bytes // 512):
            file.write(sectors[sector % 256])


def cases_of(disk, kind, image, settings, n_cases):
    options, name = kind
    options = [option.replace('@', image) for option in options]
    cases = guest.cases_of_program('block', *options, name='block-test', n_cases=n_cases,
                                   settings=f'{settings} block.name={name}')
    return [case.replace('ok ', f'ok {disk}_', 1) for case in cases]


def main():
    cases = []
    with tempfile.TemporaryDirectory(prefix='hati-block-') as folder:
        image = os.path.join(folder, 'disk')
        for disk, kind in DISKS.items():
            make_image(image, DISK_BYTES)
            cases += cases_of(disk, kind, image, 'hati.ramdisk=16', _N_CASES)
        make_pattern(image, READ_ONLY_BYTES)
        for disk, kind in READ_ONLY_DISKS.items():
            cases += cases_of(disk, kind, image, f'block.read-only={READ_ONLY_BYTES}',
                              _N_CASES_READ_ONLY)
    guest.report(cases)


if __name__ == '__main__':
    main()
