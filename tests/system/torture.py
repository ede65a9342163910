#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 7200
"""Arbitrary hel calls on four CPUs (tests/torture): no panic, no leak, nothing stuck.

HATI_TORTURE_CALLS (default 200000) and HATI_TORTURE_SEED (default 1) say how many, and which.
"""

import os

import guest

N_CALLS = int(os.environ.get('HATI_TORTURE_CALLS', '200000'))
SEED = int(os.environ.get('HATI_TORTURE_SEED', '1'))

guest.main_of_program(
    'torture', '--smp', '4', settings=f'torture.calls={N_CALLS} torture.seed={SEED}',
    timeout=120 + N_CALLS // 1000)
