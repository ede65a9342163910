#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 400
"""What a device that does DMA reaches, with each IOMMU and each setting of thor.iommu.

tests/iommu is the program that drives the device (QEMU's `edu`); its cases are lines of the log.
"""

import os
import re

import guest
from guest import check, check_equal

_DONE = re.compile(r'kernel-test: done, (\d+) passed, (\d+) failed')
_SECONDS_MAX = 60
_EDU = '-device edu,dma_mask=0xffffffffffffffff'
_VT_D = '-device intel-iommu'
# QEMU 7.2 logs no event of its AMD-Vi unit, whatever the guest does.
_AMD_VI = '-device amd-iommu'
_TRANSLATED_VIRTIO = ('-global virtio-serial-pci.iommu_platform=on',
                      '-global virtio-serial-pci.disable-legacy=on')
_SILENT = 'hati.iommu=silent'


def _log_of(policy, iommu):
    """The log of a guest in which the program has run."""
    silent = _SILENT if iommu == _AMD_VI else ''
    with guest.Boot('--append', f'hati.test=iommu thor.iommu={policy} {silent}',
                    '--qemu-first', f'{iommu} {_EDU}', timeout=_SECONDS_MAX) as boot:
        boot.wait_for_log(_DONE.pattern)
        return boot.log()


def _run(policy, iommu, said):
    log = _log_of(policy, iommu)
    done = _DONE.search(log)
    check(done, f'it did not come to its end: {log[-300:]}')
    failed = [line for line in log.splitlines() if 'kernel-test: not ok' in line]
    check_equal(failed, [], 'cases that failed')
    check(int(done[1]) >= 9, f'only {done[1]} cases')
    check(f'iommu: {said}' in log, f'the log does not say "{said}"')


def vt_d_lazy():
    _run('lazy', _VT_D, 'VT-d, devices without dma-space reach all memory')


def vt_d_strict():
    _run('strict', _VT_D, 'VT-d, devices without dma-space reach nothing')


def vt_d_wide_that_caches_absence():
    _run('strict', f'{_VT_D},aw-bits=48,caching-mode=on',
         'VT-d, devices without dma-space reach nothing')


def amd_vi_lazy():
    _run('lazy', _AMD_VI, 'AMD-Vi, devices without dma-space reach all memory')


def amd_vi_strict():
    _run('strict', _AMD_VI, 'AMD-Vi, devices without dma-space reach nothing')


def off():
    _run('off', _VT_D, 'off')


def _say_hello(iommu, *more):
    """A command under each policy: its bytes go through the console's driver."""
    for policy in ('strict', 'lazy', 'off'):
        outcome = guest.run('busybox', 'echo', 'hello', options=(
            '--append', f'thor.iommu={policy}', '--qemu-first', ' '.join((*more, iommu))))
        check_equal((outcome.status, outcome.output), (0, b'hello\n'), f'{iommu} {policy}')


def system_runs_under_each_policy():
    """QEMU's virtio devices pass by the IOMMU, but their interrupts are messages."""
    _say_hello(_VT_D)
    _say_hello(_AMD_VI)


def console_driver_works_in_a_dma_space():
    """Now they do not: under `strict` the driver has to have mapped all that the device uses."""
    _say_hello(_VT_D, *_TRANSLATED_VIRTIO)
    _say_hello(_AMD_VI, *_TRANSLATED_VIRTIO)
    _say_hello('', *_TRANSLATED_VIRTIO)


if __name__ == '__main__':
    guest.main([
        vt_d_lazy, vt_d_strict, vt_d_wide_that_caches_absence, amd_vi_lazy, amd_vi_strict,
        off, system_runs_under_each_policy, console_driver_works_in_a_dma_space,
    ])
