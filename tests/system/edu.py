#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 600
"""A driver of three `edu` devices, two on one line and one with MSI, is killed and replaced
(tests/edu), on machines of several shapes, with and without an IOMMU."""

import re

import guest
from guest import check, check_equal

_CASES = 4
_MASK = 'dma_mask=0xffffffffffffffff'
# Slots of which the numbers differ by four share a line.
_DEVICES = ' '.join(f'-device edu,addr={slot},{_MASK}' for slot in ('0x10', '0x14', '0x11'))


def _run(*options, devices=_DEVICES, is_interpreted=True):
    with guest.Boot('--append', 'hati.test=edu', *options, '--qemu', devices, timeout=90) as boot:
        boot.wait_for_log(r'edu-test: done, \d+ failed')
        log = boot.log()
    check('edu-test: done, 0 failed' in log, re.findall(r'not ok.*|edu-driver: .* fails.*', log))
    check_equal(len(re.findall(r'edu-test: ok ', log)), _CASES, 'the number of cases')
    check(' fails ' not in log, 'a device fails')
    if is_interpreted:
        check(re.search(r'hw: AML: [1-9]\d+ routes', log), 'bytecode says nothing of lines')


def _behind(*bridges, bus='last1'):
    """Bridges, and the devices on the bus that the last one makes."""
    devices = _DEVICES.replace('-device edu,', f'-device edu,bus={bus},')
    return ' '.join((*bridges, devices))


def on_q35():
    _run()


def on_i440fx():
    """Its configuration space is reached by ports only."""
    _run('--qemu', '-M pc')


def behind_bridges():
    """Two levels: bytecode says nothing of lines there."""
    _run(devices=_behind('-device pcie-root-port,id=root1,chassis=1',
                         '-device pcie-pci-bridge,id=bridge1,bus=root1',
                         '-device pci-bridge,id=last1,bus=bridge1,chassis_nr=2,addr=3'))


def behind_another_host_bridge():
    _run(devices=_behind('-device pxb-pcie,id=host1,bus_nr=32,bus=pcie.0',
                         '-device pcie-root-port,id=root1,bus=host1,chassis=1',
                         '-device pcie-pci-bridge,id=last1,bus=root1'))


def without_bytecode():
    _run('--append', 'hati.acpi=off', is_interpreted=False)


def with_vt_d_strict():
    _run('--append', 'thor.iommu=strict', '--qemu-first', '-device intel-iommu')


if __name__ == '__main__':
    guest.main([on_q35, on_i440fx, behind_bridges, behind_another_host_bridge, without_bytecode,
                with_vt_d_strict])
