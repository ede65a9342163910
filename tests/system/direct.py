#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 600
"""Direct transfers: programs that read and write disks with O_DIRECT without posix between."""

import os
import tempfile

import guest
from guest import check, check_equal

_SIZE = 32 << 20
_DISKS = {
    'vda': 'virtio-blk-pci,drive=d',
    'sda': 'ahci,id=a -device ide-hd,drive=d,bus=a.0',
    'nvme0n1': 'nvme,drive=d,serial=HATI',
}
_PROGRAM = os.path.join(guest.BUILD_FOLDER, 'tests/linux/direct-io-gnu')
_LOANS = os.path.join(guest.BUILD_FOLDER, 'tests/linux/direct-loans-gnu')
_HOSTILE = os.path.join(guest.BUILD_FOLDER, 'tests/system/programs/hostile-direct')


def run(node, command, n_cpus):
    with tempfile.NamedTemporaryFile(prefix='hati-direct-') as image:
        image.truncate(_SIZE)
        outcome = guest.shell(
            f'until [ -b /dev/{node} ]; do sleep 0.1; done; {command}',
            options=('--add', f'{_PROGRAM}:/direct-io', '--add', f'{_LOANS}:/direct-loans',
                     '--add', f'{_HOSTILE}:/hostile-direct',
                     '--smp', str(n_cpus), '--qemu',
                     f'-drive file={image.name},if=none,id=d,format=raw '
                     f'-device {_DISKS[node]}'), timeout=200)
    return outcome.text().splitlines()


def transfer(node, n_cpus):
    lines = run(node, f'export DIRECT_DEVICE=/dev/{node}; /direct-io; /direct-loans', n_cpus)
    check_equal([line for line in lines if not line.startswith('ok ')], [], f'what failed: {node}')
    check_equal(len(lines), 34, f'cases: {node}')


def disks_of_all_kinds():
    transfer('sda', 1)
    transfer('nvme0n1', 2)


def one_processor():
    transfer('vda', 1)


def several_processors():
    transfer('vda', 4)


def a_process_that_spoils_what_it_shares():
    lines = run('vda', '/hostile-direct /dev/vda; echo alive', 2)
    names = ('scribble', 'scribble-and-read', 'unmap', 'write-as-it-may', 'write-what-is-lent',
             'write-what-was-lent', 'write-what-is-not-lent', 'write-after-close',
             'write-after-replacing', 'write-what-is-read-only', 'write-by-reading')
    allowed = ('write-as-it-may', 'write-what-is-lent')
    expected = [f'{name} status {int(name in allowed)}, whole' for name in names]
    check_equal(lines, [*expected, 'alive'], 'how the attempts ended')


def a_disk_that_is_taken_out():
    port = ('--qemu-first', '-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off '
                            '-device pcie-root-port,id=slot0,chassis=1,slot=1')
    script = ('until [ -b /dev/vda ]; do sleep 0.1; done; export DIRECT_UNPLUG=1 '
              'DIRECT_DEVICE=/dev/vda; /direct-io a_disk_that_is_taken_out; echo end')
    with tempfile.TemporaryDirectory(prefix='hati-direct-') as folder:
        image = os.path.join(folder, 'disk')
        with open(image, 'wb') as file:
            file.truncate(_SIZE)
        monitor = guest.Monitor(folder)
        disk = (f'-blockdev driver=raw,node-name=d,file.driver=file,file.filename={image} '
                f'-device virtio-blk-pci,id=disk,bus=slot0,drive=d')
        with guest.Boot(*port, '--qemu', disk, *monitor.options, '--smp', '2', '--add',
                        f'{_PROGRAM}:/direct-io', timeout=200,
                        command=('busybox', 'sh', '-c', script)) as boot:
            check(boot.wait_until(lambda: 'ready' in boot.output()), boot.output()[-600:])
            monitor.command('device_del', id='disk')
            check(boot.wait_until(lambda: 'end' in boot.output()), boot.output()[-600:])
            check_equal(boot.output().split()[1:], ['ok', 'a_disk_that_is_taken_out', 'end'],
                        'what was said')


if __name__ == '__main__':
    guest.main([disks_of_all_kinds, one_processor, several_processors,
                a_process_that_spoils_what_it_shares, a_disk_that_is_taken_out])
