#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 600
"""A UEFI firmware boots a disk: eir as its application, the root on the disk itself."""

import booting
import guest


def what_is_wrong_is_named(disk, firmware):
    for contents, words in ((b'initrd', '/hati/boot.cfg: a line is not NAME=VALUE'),
                            (b'options=rw', '/hati/boot.cfg: there is no line initrd='),
                            (b'initrd=/nowhere', '/nowhere: it is not on the partition'),
                            (b'initrd=/hati/grub.cfg', 'the initrd has no boot/hati/thor')):
        disk.replace('boot.cfg', contents)
        text = disk.last_words(firmware)
        guest.check(words in text, f'{words} is missing in {text!r}')
    disk.install()


if not booting.has_ovmf():
    booting.skip('OVMF cannot be installed')
booting.main('ovmf', {'virtio': 'vda3', 'nvme': 'nvme0n1p3', 'ahci': 'sda3'},
             (what_is_wrong_is_named,))
