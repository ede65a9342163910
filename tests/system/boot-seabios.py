#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 600
"""A BIOS boots a disk: GRUB, eir through Multiboot 2, the root on the disk itself."""

import booting
import guest


def what_is_wrong_is_named(disk, firmware):
    for contents, words in ((b'multiboot2 /hati/eir\nboot\n', 'the loader gave no initrd'),
                            (b'multiboot2 /hati/eir\nmodule2 /hati/eir\nboot\n',
                             'the initrd has no boot/hati/thor'),
                            (b'multiboot2 /hati/eir\nmodule2 /hati/eir\nmodule2 /hati/eir\nboot\n',
                             'Multiboot 2: there is more than one module')):
        disk.replace('grub.cfg', contents)
        text = disk.last_words(firmware)
        guest.check(words in text, f'{words} is missing in {text!r}')
    disk.install()


booting.main('seabios', {'virtio': 'vda3', 'nvme': 'nvme0n1p3', 'ahci': 'sda3', 'ide': 'sda3'},
             (what_is_wrong_is_named,))
