#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 200
"""Debian's lspci reads what hw has found in sysfs."""

import os
import re
import shutil
import subprocess

import guest
from guest import check, check_equal

_MACHINE = ('--qemu', '-device pcie-root-port,id=root1,chassis=1,addr=4'
            ' -device e1000e,bus=root1,romfile= -device edu,addr=5')
_NAMES = '/usr/share/misc/pci.ids'


def _lspci_and_libraries():
    """Options of the launcher that bring it along; None if this machine has none."""
    subprocess.run(['sh', os.path.join(guest.TOP, 'tools/setup/install.sh'), 'pciutils'],
                   check=False, capture_output=True)
    lspci = shutil.which('lspci')
    if lspci is None:
        return None
    libraries = subprocess.run(['ldd', lspci], check=True, capture_output=True, text=True).stdout
    files = {lspci: '/usr/bin/lspci', os.path.realpath(_NAMES): _NAMES}
    files |= {os.path.realpath(path): path for path in re.findall(r'(/\S+) \(', libraries)}
    return [word for host, path in files.items() for word in ('--add', f'{host}:{path}')]


_OPTIONS = _lspci_and_libraries()


def _lspci(*arguments):
    """What it says when the console's device, which comes last to its driver, is set up."""
    wait = 'until lspci -v | busybox grep -q "MSI-X: Enable+"; do busybox sleep 0.1; done;'
    outcome = guest.run('busybox', 'sh', '-c', f'{wait} lspci {" ".join(arguments)}',
                        options=(*_OPTIONS, *_MACHINE))
    check_equal(outcome.status, 0, 'its status')
    return outcome.text()


def lists_devices_and_bridges():
    lines = _lspci('-nn').splitlines()
    for line in ('00:00.0 Host bridge [0600]: .* [8086:29c0]', '00:04.0 PCI bridge [0604]: .*',
                 '00:05.0 Unclassified device [00ff]: .* [1234:11e8] (rev 10)',
                 '00:1f.2 SATA controller [0106]: .* [8086:2922] (rev 02)',
                 '01:00.0 Ethernet controller [0200]: .* [8086:10d3]'):
        pattern = re.escape(line).replace(r'\.\*', '.*')
        check(any(re.fullmatch(pattern, other) for other in lines), f'{line} is not in {lines}')
    check_equal(len(lines), 8, 'the number of lines')


def shows_a_tree():
    check('+-04.0-[01]----00.0' in _lspci('-t'), 'what is behind the bridge is not there')


def tells_details_and_drivers():
    text = _lspci('-v', '-k')
    for line in ('Memory at [0-9a-f]+ \\(32-bit, non-prefetchable\\) \\[size=1M\\]',
                 'I/O ports at [0-9a-f]+ \\[size=64\\]',
                 'Capabilities: \\[[0-9a-f]+\\] MSI-X: Enable\\+ Count=2 Masked-',
                 'Bus: primary=00, secondary=01, subordinate=01',
                 'Capabilities: \\[100\\] Advanced Error Reporting',
                 'Kernel driver in use: virtio-console'):
        check(re.search(line, text), f'{line} is not there: {text}')


if __name__ == '__main__':
    if _OPTIONS is None:
        print('skip: there is no lspci')
        raise SystemExit(77)
    guest.main([lists_devices_and_bridges, shows_a_tree, tells_details_and_drivers])
