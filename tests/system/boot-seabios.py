#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 600
"""A BIOS boots a disk: GRUB, eir through Multiboot 2, the root on the disk itself."""

import booting

booting.main('seabios', {'virtio': 'vda3', 'nvme': 'nvme0n1p3', 'ahci': 'sda3', 'ide': 'sda3'})
