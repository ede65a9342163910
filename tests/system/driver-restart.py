#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 120
"""A disk's driver that is killed again and again is started again, and its disk comes back."""

import os
import tempfile

import guest
from guest import check

_DISK_BYTES = 1 << 20
_LIVES = 5


def _run(driver, name, device):
    with tempfile.TemporaryDirectory(prefix='hati-restart-') as folder:
        image = os.path.join(folder, 'disk')
        with open(image, 'wb') as file:
            file.truncate(_DISK_BYTES)
        with guest.Boot('--append', f'hati.list=mbus hati.runsvr=kill:{driver}:700', '--qemu',
                        f'-drive file={image},if=none,id=d,format=raw -device {device},drive=d',
                        timeout=100) as boot:
            boot.wait_for_log(rf'(?s)(class=block[^\n]*name={name}.*){{{_LIVES}}}')
            log = boot.log()
    check(log.count(f'{driver} has ended') >= _LIVES - 1, 'it was not killed so often')
    check(f'driver={driver}' in log, 'mbus does not say who drives the device')
    check('cannot be' not in log, 'something failed')


def virtio_comes_back():
    _run('virtio-blk', 'virtio-', 'virtio-blk-pci')


def nvme_comes_back():
    _run('nvme', 'nvme-', 'nvme,serial=1')


def ahci_comes_back():
    _run('ahci', 'ahci-', 'ich9-ahci,id=a -device ide-hd,bus=a.0')


def ide_comes_back():
    _run('ide', 'ide-', 'piix4-ide,id=i -device ide-hd,bus=i.0')


if __name__ == '__main__':
    guest.main([virtio_comes_back, nvme_comes_back, ahci_comes_back, ide_comes_back])
