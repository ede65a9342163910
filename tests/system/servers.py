#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 120
"""Servers: what svrctl says of those that die, and what is on mbus."""

import os
import re
import tempfile

import guest
from guest import check, check_equal


def _log_of(*options, seconds=2):
    """The log of a guest that ran for a moment."""
    with tempfile.TemporaryDirectory(prefix='hati-test-') as folder:
        path = os.path.join(folder, 'log')
        outcome = guest.run('busybox', 'sleep', str(seconds), options=('--log', path, *options))
        check_equal(outcome.status, 0, 'status')
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read()


def servers_that_die_are_logged():
    log = _log_of('--append', 'hati.test=crash')
    check(re.search(r'svrctl: crash-fault faulted: vector 14, error code 6, address 10, ip 4', log),
          'no word of the fault')
    check(re.search(r'svrctl: crash-fault: rip 0000000000[0-9a-f]+ rsp 00006fff', log),
          'no registers')
    check(re.search(r'crash: .*main\.c:\d+: assertion failed: n_arguments == 1', log),
          'no word of the assertion')
    check('crash: main ended with 3' in log, 'no word of the status')
    for way in ('fault', 'assert', 'return'):
        check(f'svrctl: crash-{way} has ended' in log, f'crash-{way} has not ended')


def mbus_lists_the_devices():
    log = _log_of('--append', 'hati.list=mbus')
    check(re.search(r'lsmbus: object \d+: class=power', log), 'no power')
    check(re.search(r'lsmbus: object \d+: class=pci pci-vendor=1af4 pci-device=1003 ', log),
          'no virtio console')
    for name in ('console', 'control', 'stdin', 'stdout', 'stderr'):
        check(re.search(rf'lsmbus: object \d+: class=char name=org\.hati\.{name} ', log),
              f'no port {name}')


guest.main([servers_that_die_are_logged, mbus_lists_the_devices])
