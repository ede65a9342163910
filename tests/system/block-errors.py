#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 180
"""Disks that fail: the error reaches the request that it is about, and no other one.

QEMU's blkdebug makes a sector that cannot be read, one that cannot be written, and a flush that
fails; the cases are in tests/block/errors.c."""

import os
import tempfile

import guest

_BAD = 4 << 20            # block.bad
_BAD_WRITE = 512 << 10    # behind it, as in errors.c
_DISK_BYTES = 16 << 20
_N_CASES = 6
_NAME = '0000:00:10.0'

# What a device with the drive d is, and what the disk is called. QEMU's virtio-blk joins requests,
# and fails all of those that it has joined.
_DISKS = {
    'virtio': ('virtio-blk-pci,addr=0x10,request-merging=off,drive=d', f'virtio-{_NAME}'),
    'nvme': ('nvme,addr=0x10,drive=d,serial=HATI', f'nvme-{_NAME}n1'),
    'ahci': ('ich9-ahci,addr=0x10,id=a -device ide-hd,drive=d,bus=a.0', f'ahci-{_NAME}p0'),
    'ide': ('piix4-ide,addr=0x10,id=i -device ide-hd,drive=d,bus=i.0', f'ide-{_NAME}c0d0'),
    'ide-pio': ('piix4-ide,addr=0x10,id=i -device ide-hd,drive=d,bus=i.0', f'ide-{_NAME}c0d0'),
}
_SETTINGS = {'ide-pio': 'ide.dma=off'}


def _blockdev(image):
    rules = [
        {'event': 'none', 'iotype': 'read', 'sector': _BAD // 512 + 3},
        {'event': 'none', 'iotype': 'write', 'sector': (_BAD + _BAD_WRITE) // 512 + 5},
        {'event': 'none', 'iotype': 'flush', 'once': 'on'},
    ]
    options = ['driver=blkdebug', 'node-name=d', 'image.driver=file', f'image.filename={image}']
    for i, rule in enumerate(rules):
        options += [f'inject-error.{i}.{key}={value}' for key, value in rule.items()]
        options.append(f'inject-error.{i}.errno=5')
    return '-blockdev ' + ','.join(options)


def _cases_of(disk, image):
    device, name = _DISKS[disk]
    with open(image, 'wb') as file:
        file.truncate(_DISK_BYTES)
    cases = guest.cases_of_program(
        'block', '--qemu', f'{_blockdev(image)} -device {device}', name='block-test',
        n_cases=_N_CASES, settings=f'block.bad={_BAD} block.name={name} {_SETTINGS.get(disk, "")}')
    return [case.replace('ok ', f'ok {disk}_', 1) for case in cases]


def main():
    with tempfile.TemporaryDirectory(prefix='hati-errors-') as folder:
        image = os.path.join(folder, 'disk')
        guest.report([case for disk in _DISKS for case in _cases_of(disk, image)])


main()
