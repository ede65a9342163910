#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 300
"""Swappable memory (tests/swap): 68 MiB of it on a machine with 80 MiB, which is forked, with a
swap manager that is killed in the end; Linux programs run all the time.

HATI_SWAP_OPERATIONS (default 1000) says how many pages are used besides, HATI_SWAP_SEED which.
"""

import os

import guest

N_OPERATIONS = int(os.environ.get('HATI_SWAP_OPERATIONS', '1000'))
SEED = int(os.environ.get('HATI_SWAP_SEED', '1'))

guest.main_of_program(
    'swap', '--smp', '2', '--memory', '80M',
    settings=f'swap.operations={N_OPERATIONS} swap.seed={SEED}',
    is_alone=False, end='nobody observes', timeout=120 + N_OPERATIONS // 100)
