#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A driver has its device's MSI-X vectors masked, moved and retargeted by hw (tests/msix)."""

import guest

guest.main_of_server('msix', 8, '--smp', '2', '--qemu', '-device e1000e,romfile=')
