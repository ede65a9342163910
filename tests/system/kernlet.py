#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A kernlet, compiled by kernletcc, acknowledges a device (tests/kernlet)."""

import guest

guest.main_of_server('kernlet', 7, '--qemu', '-device edu')
