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


def disk_comes_back():
    with tempfile.TemporaryDirectory(prefix='hati-restart-') as folder:
        image = os.path.join(folder, 'disk')
        with open(image, 'wb') as file:
            file.truncate(_DISK_BYTES)
        with guest.Boot('--append', 'hati.list=mbus hati.runsvr=kill:virtio-blk:700', '--qemu',
                        f'-drive file={image},if=none,id=d,format=raw'
                        ' -device virtio-blk-pci,drive=d', timeout=100) as boot:
            boot.wait_for_log(r'(?s)(class=block[^\n]*name=virtio-0.*){%d}' % _LIVES)
            log = boot.log()
    check(log.count('virtio-blk has ended') >= _LIVES - 1, 'it was not killed so often')
    check('driver=virtio-blk' in log, 'mbus does not say who drives the device')
    check('cannot be' not in log, 'something failed')


if __name__ == '__main__':
    guest.main([disk_comes_back])
