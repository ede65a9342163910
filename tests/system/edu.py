#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 300
"""A driver of three `edu` devices, two on one line and one with MSI, is killed and replaced
(tests/edu), with and without an IOMMU."""

import re

import guest
from guest import check, check_equal

_CASES = 4
_MASK = 'dma_mask=0xffffffffffffffff'
# Slots of which the numbers differ by four share a line.
_DEVICES = ' '.join(f'-device edu,addr={slot},{_MASK}' for slot in ('0x10', '0x14', '0x11'))


def _run(*options, devices=_DEVICES):
    with guest.Boot('--append', 'hati.test=edu', *options, '--qemu', devices, timeout=90) as boot:
        boot.wait_for_log(r'edu-test: done, \d+ failed')
        log = boot.log()
    check('edu-test: done, 0 failed' in log, re.findall(r'not ok.*|edu-driver: .* fails.*', log))
    check_equal(len(re.findall(r'edu-test: ok ', log)), _CASES, 'the number of cases')
    check(' fails ' not in log, 'a device fails')


def without_iommu():
    _run()


def with_vt_d_strict():
    _run('--append', 'thor.iommu=strict', '--qemu-first', '-device intel-iommu')


if __name__ == '__main__':
    guest.main([without_iommu, with_vt_d_strict])
