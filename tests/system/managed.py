#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 3600
"""Managed memory (tests/managed): a server backs an object of 1 GiB on a machine with 256 MiB,
users verify every page they touch, then the server is killed; Linux programs run all the time.

HATI_MANAGED_OPERATIONS (default 20000) says how many pages are used, HATI_MANAGED_SEED which. The
long run, a minute or more of work for the page cache:

    HATI_MANAGED_OPERATIONS=2000000 python3 -B tools/test/run.py --only managed
"""

import os

import guest

N_OPERATIONS = int(os.environ.get('HATI_MANAGED_OPERATIONS', '20000'))
SEED = int(os.environ.get('HATI_MANAGED_SEED', '1'))

guest.main_of_program(
    'managed', '--smp', '2', '--memory', '256M',
    settings=f'managed.operations={N_OPERATIONS} managed.seed={SEED}',
    is_alone=False, timeout=180 + N_OPERATIONS // 200)
