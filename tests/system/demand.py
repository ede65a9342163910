#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Servers on demand: started when a client asks, and again after a crash (tests/demand)."""

import guest

guest.main_of_server('demand', 4)
