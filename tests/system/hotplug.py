#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 600
"""Disks that are taken out while a file system on them is in use, and put in again.

QEMU's pcie-root-port asks politely: it presses the slot's button, and the device goes when the slot
has no power any more."""

import os
import re
import subprocess
import tempfile
import time

import guest
from guest import check, check_equal

_DISK_BYTES = 64 << 20
_PORT = ('--qemu-first', '-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off '
                         '-device pcie-root-port,id=slot0,chassis=1,slot=1')

# How QEMU is given a disk, its driver, and what Linux calls it.
_DISKS = {
    'nvme': ({'driver': 'nvme', 'serial': 'HATI'}, 'nvme0n1'),
    'virtio-blk': ({'driver': 'virtio-blk-pci'}, 'vda'),
}

# In each round the host takes the disk out after `ready`, and puts it in again after `idle`.
_SCRIPT = '''
b=/bin/busybox
say() { $b echo "$@"; }
why() { "$@" 2>&1 >/dev/null | $b sed 's/.*: //' | $b tail -1; }
$b mkdir -p /mnt
round() {
	until [ -b /dev/DISK ]; do $b sleep 0.1; done
	$b mount -t ext4 /dev/DISK /mnt || say "no mount"
	[ -e /mnt/sums ] && { (cd /mnt; $b md5sum -c sums >/dev/null) && say kept || say lost; }
	$b dd if=/dev/urandom of=/mnt/file$1 bs=64k count=20 2>/dev/null
	(cd /mnt; $b md5sum file* >sums); $b sync
	exec 3</dev/DISK 4</mnt/file$1
	(while $b dd if=/dev/zero of=/mnt/busy bs=64k count=8 conv=fsync 2>/dev/null; do :; done
	 say "writer ended") &
	(while $b dd if=/dev/DISK of=/dev/null bs=64k count=1 skip=500 iflag=direct 2>/dev/null
	 do :; done; say "reader ended") &
	say "ready $1"
	wait
	say "open: $(why $b dd bs=512 count=1 iflag=direct <&3)"
	say "write: $(why $b dd if=/dev/zero of=/mnt/new bs=4k count=1 conv=fsync)"
	say "make: $(why $b mkdir /mnt/folder)"
	while [ -e /dev/DISK ]; do $b sleep 0.1; done
	say "node: $(why $b dd if=/dev/DISK count=1)"
	exec 3<&- 4<&-
	$b umount /mnt && say "umounted"
	say "idle $1"
}
round 1
[ ROUNDS = 1 ] && exit
round 2; round 3
until [ -b /dev/DISK ]; do $b sleep 0.1; done
$b mount -t ext4 /dev/DISK /mnt && (cd /mnt; $b md5sum -c sums >/dev/null) && say kept
$b umount /mnt && say "end"
'''


def _rounds(boot, monitor, device, folder):
    """Takes the disk out and puts it in again, three times."""
    for number in (1, 2, 3):
        check(boot.wait_until(lambda n=number: f'ready {n}' in boot.output()),
              f'round {number}: {boot.output()[-600:]}')
        monitor.command('device_del', id='disk')
        monitor.wait_for('DEVICE_DELETED', device='disk')
        check(boot.wait_until(lambda n=number: f'idle {n}' in boot.output()),
              f'round {number}: {boot.output()[-600:]}')
        monitor.command('device_add', id='disk', bus='slot0', drive='d', **device)
    check(boot.wait_until(lambda: re.search('^end', boot.output(), re.M)),
          f'the end: {boot.output()[-600:]}')


def make_image(image):
    with open(image, 'wb') as file:
        file.truncate(_DISK_BYTES)
    subprocess.run(['mke2fs', '-q', '-F', '-t', 'ext4', image], check=True)


def _drive(image):
    return f'-blockdev driver=raw,node-name=d,file.driver=file,file.filename={image}'


def check_said(log, output, n_rounds):
    """Errors to all callers, and nobody dies of them."""
    check_equal(output.count('umounted'), n_rounds, 'umounts')
    for what in ('open', 'write', 'make', 'node'):
        said = re.findall(rf'^{what}: (.*)', output, re.M)
        check_equal(len(said), n_rounds, f'what {what} says')
        check(all(re.search('Input/output error|No such device|Read-only file system|'
                            'No such file', text) for text in said), f'{what} says {said}')
    check_equal(log.count('has ended'), log.count('ram-disk has ended'), 'servers that ended')


def _run(driver, *options):
    device, name = _DISKS[driver]
    with tempfile.TemporaryDirectory(prefix='hati-hotplug-') as folder:
        image = os.path.join(folder, 'disk')
        make_image(image)
        monitor = guest.Monitor(folder)
        words = ','.join(f'{key}={value}' for key, value in device.items())
        words = words.replace('driver=', '', 1)
        disk = ('--qemu', f'{_drive(image)} -device {words},id=disk,bus=slot0,drive=d')
        script = _SCRIPT.replace('DISK', name).replace('ROUNDS', '3')
        with guest.Boot(*_PORT, *disk, *monitor.options, *options, '--smp', '2', timeout=200,
                        command=('busybox', 'sh', '-c', script)) as boot:
            _rounds(boot, monitor, device, folder)
            log, output = boot.log(), boot.output()
        fsck = subprocess.run(['e2fsck', '-fn', image], capture_output=True, text=True,
                              check=False)
    check_equal(output.count('kept'), 3, f'rounds whose files were there, of {output[-800:]}')
    check_said(log, output, 3)
    check_equal(fsck.returncode, 0, f'e2fsck: {fsck.stdout[-300:]}')


def ahci_is_taken_out():
    """A whole controller; QEMU cannot plug a disk into one while the machine runs."""
    with tempfile.TemporaryDirectory(prefix='hati-hotplug-') as folder:
        image = os.path.join(folder, 'disk')
        make_image(image)
        monitor = guest.Monitor(folder)
        disk = ('--qemu', f'{_drive(image)} -device ich9-ahci,id=disk,bus=slot0 '
                          '-device ide-hd,bus=disk.0,drive=d')
        script = _SCRIPT.replace('DISK', 'sda').replace('ROUNDS', '1')
        with guest.Boot(*_PORT, *disk, *monitor.options, '--smp', '2', timeout=200,
                        command=('busybox', 'sh', '-c', script)) as boot:
            check(boot.wait_until(lambda: 'ready 1' in boot.output()), boot.output()[-600:])
            monitor.command('device_del', id='disk')
            check(boot.wait_until(lambda: 'idle 1' in boot.output()), boot.output()[-600:])
            check_said(boot.log(), boot.output(), 1)


def _wait_and_mount(port, is_there):
    """Boots with a disk in the slot, or puts one in then, and mounts it."""
    script = ('until [ -b /dev/nvme0n1 ]; do busybox sleep 0.1; done; busybox mkdir -p /mnt; '
              'busybox mount -t ext4 /dev/nvme0n1 /mnt && busybox umount /mnt && echo mounted')
    with tempfile.TemporaryDirectory(prefix='hati-hotplug-') as folder:
        image = os.path.join(folder, 'disk')
        make_image(image)
        monitor = guest.Monitor(folder)
        device = ' -device nvme,serial=HATI,bus=slot0,drive=d' if is_there else ''
        with guest.Boot(*port, '--qemu', _drive(image) + device, *monitor.options, timeout=100,
                        command=('busybox', 'sh', '-c', script)) as boot:
            if not is_there:
                boot.wait_for_log('functions published')
                monitor.command('device_add', bus='slot0', drive='d', **_DISKS['nvme'][0])
            check(boot.wait_until(lambda: 'mounted' in boot.output()), boot.log()[-600:])


def a_disk_comes_to_an_empty_slot():
    _wait_and_mount(_PORT, False)


def a_switch_is_taken_out():
    """With a slot of its own, whose card is asked for, too, but goes with the switch."""
    script = ('until [ -b /dev/nvme0n1 ]; do busybox sleep 0.1; done; echo ready; '
              'while [ -e /dev/nvme0n1 ]; do busybox sleep 0.1; done; echo away; '
              'until [ -b /dev/nvme1n1 ]; do busybox sleep 0.1; done; '
              'busybox dd if=/dev/nvme1n1 of=/dev/null bs=4k count=8 2>/dev/null && echo read')
    with tempfile.TemporaryDirectory(prefix='hati-hotplug-') as folder:
        image = os.path.join(folder, 'disk')
        make_image(image)
        monitor = guest.Monitor(folder)
        devices = ('-device x3130-upstream,id=up,bus=slot0 '
                   '-device xio3130-downstream,id=slot1,bus=up,chassis=2,slot=2 '
                   '-device nvme,serial=HATI,id=disk,bus=slot1,drive=d')
        with guest.Boot(*_PORT, '--qemu', f'{_drive(image)} {devices}', *monitor.options,
                        timeout=100, command=('busybox', 'sh', '-c', script)) as boot:
            check(boot.wait_until(lambda: 'ready' in boot.output()), boot.log()[-600:])
            monitor.command('device_del', id='up')
            time.sleep(1)
            monitor.command('device_del', id='disk')
            monitor.wait_for('DEVICE_DELETED', device='up')
            check(boot.wait_until(lambda: 'away' in boot.output()), boot.log()[-600:])
            time.sleep(2)
            monitor.command('device_add', bus='slot0', drive='d', **_DISKS['nvme'][0])
            check(boot.wait_until(lambda: re.search('^read\r?$', boot.output(), re.M)),
                  boot.log()[-600:])
            log = boot.log()
    check_equal(log.count('is taken out'), 4, 'what is taken out, and its driver')
    check('is not seen any more' not in log, 'a slot that is out is driven')


def a_slot_of_the_firmware_is_left_alone():
    """By default QEMU's slots are driven by ACPI, and their registers do not tell of the card."""
    _wait_and_mount(('--qemu-first', '-device pcie-root-port,id=slot0,chassis=1,slot=1'), True)


def nvme_comes_and_goes():
    _run('nvme')


def nvme_comes_and_goes_behind_an_iommu():
    _run('nvme', '--qemu-first', '-device intel-iommu')


def virtio_comes_and_goes():
    _run('virtio-blk')


if __name__ == '__main__':
    guest.main([nvme_comes_and_goes, nvme_comes_and_goes_behind_an_iommu, virtio_comes_and_goes,
                ahci_is_taken_out, a_switch_is_taken_out, a_disk_comes_to_an_empty_slot,
                a_slot_of_the_firmware_is_left_alone])
