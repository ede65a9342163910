#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Block devices: what a client writes it reads again (tests/block)."""

import guest

guest.main_of_server('block', 8, settings='hati.ramdisk=16 block.name=ram0')
