#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 120
"""A drive for discs, which are put in, changed and taken out while the guest runs.

The cases are in tests/block/media.c; what each of them waits for is done here."""

import json
import os
import re
import socket
import tempfile

import block
import guest

_DISC_BYTES = 1 << 20
_NAME = 'ide-0000:00:10.0c0d0'
_N_CASES = 5


class _Qemu:
    """QEMU's monitor."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.connect(path)
        self._lines = self._socket.makefile('rw')
        self._lines.readline()
        self.do('qmp_capabilities')

    def do(self, command, **arguments):
        self._lines.write(json.dumps({'execute': command, 'arguments': arguments}) + '\n')
        self._lines.flush()
        while True:
            answer = json.loads(self._lines.readline())
            if 'return' in answer or 'error' in answer:
                guest.check('return' in answer, f'{command}: {answer}')
                return

    def close(self):
        self._lines.close()
        self._socket.close()


def _run(folder):
    path = os.path.join(folder, 'monitor')
    images = [os.path.join(folder, name) for name in ('small', 'large')]
    for i, image in enumerate(images):
        block.make_pattern(image, _DISC_BYTES << i)
    with guest.Boot('--append', f'hati.test=block block.media={_DISC_BYTES} block.name={_NAME}',
                    '--qemu', f'-qmp unix:{path},server=on,wait=off '
                    '-device piix4-ide,addr=0x10,id=i -device ide-cd,id=disc,bus=i.0',
                    timeout=100) as boot:
        for case, image in (('drive_is_empty', images[0]), ('disc_has_come', images[1])):
            boot.wait_for_log(f'ok {case}|block-test: done')
            qemu = _Qemu(path)
            qemu.do('blockdev-change-medium', id='disc', filename=image, format='raw')
            qemu.close()
        boot.wait_for_log('ok disc_is_another_one|block-test: done')
        qemu = _Qemu(path)
        qemu.do('eject', id='disc', force=True)
        qemu.close()
        boot.wait_for_log('block-test: done')
        return boot.log()


def main():
    with tempfile.TemporaryDirectory(prefix='hati-media-') as folder:
        log = _run(folder)
    cases = re.findall(r'block-test: (?:[EW] )?((?:not ok|ok) .*)', log)
    if 'block-test: done' not in log or len(cases) < _N_CASES:
        cases.append('not ok block-media: no end')
        print(log[-4000:])
    guest.report(cases)


main()
