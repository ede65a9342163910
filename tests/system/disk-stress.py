#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 7200
"""A file system on a disk under heavy use: tests/disk on ext4, also while drivers are killed.

HATI_DISK_OPERATIONS (default 2000): of fsx, and of trees a quarter for each of 8 processes;
HATI_DISK_SEED: which.
"""

import os
import subprocess
import tempfile

import guest
from guest import check, check_equal

N_OPERATIONS = int(os.environ.get('HATI_DISK_OPERATIONS', '2000'))
SEED = int(os.environ.get('HATI_DISK_SEED', '1'))
PROGRAMS = os.path.join(guest.BUILD_FOLDER, 'tests/disk')

# How QEMU is given a disk, and what Linux calls it.
DISKS = {
    'virtio': ('-device virtio-blk-pci,drive=d', 'vda', 'virtio-blk'),
    'nvme': ('-device nvme,drive=d,serial=HATI', 'nvme0n1', 'nvme'),
    'ahci': ('-device ich9-ahci,id=a -device ide-hd,drive=d,bus=a.0', 'sda', 'ahci'),
}

SCRIPT = '''
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	[ -b /dev/$1 ] && break
	sleep 0.2
done
mkdir -p /mnt && mount -t ext4 /dev/$1 /mnt && mkdir /mnt/trees || exit 1
/fsx /mnt/file $2 $3 &
/trees /mnt/trees $2 $(($3 / 4)) 8
trees=$?
wait $!
echo "status $trees $?"
umount /mnt && echo unmounted
'''


def use(disk, *options, operations=N_OPERATIONS):
    """Runs both programs on a new file system; e2fsck must find nothing afterwards."""
    device, name, _ = DISKS[disk]
    print(f'# {disk}: seed {SEED}, {operations} operations')
    with tempfile.TemporaryDirectory(prefix='hati-disk-') as folder:
        image = os.path.join(folder, 'image')
        with open(image, 'wb') as file:
            file.truncate(256 << 20)
        subprocess.run(['mke2fs', '-q', '-F', '-t', 'ext4', image], check=True)
        drive = f'-drive if=none,id=d,format=raw,file={image},cache=writeback {device}'
        outcome = guest.run(
            'busybox', 'sh', '-c', SCRIPT, 'sh', name, str(SEED), str(operations),
            options=('--qemu', drive, '--add', f'{PROGRAMS}/fsx:/fsx', '--smp', '2',
                     '--add', f'{PROGRAMS}/trees:/trees', *options),
            timeout=200 + operations // 20)
        text = outcome.text() + outcome.errors.decode('utf-8', 'replace')
        check('status 0 0' in text and 'unmounted' in text, f'in the guest: {text[-400:]}')
        fsck = subprocess.run(['e2fsck', '-fn', image], capture_output=True, text=True,
                              check=False)
        check_equal(fsck.returncode, 0, f'e2fsck: {fsck.stdout[-300:]}')


def used_on_virtio():
    use('virtio')


def used_on_nvme():
    use('nvme')


def virtio_driver_is_killed_each_second():
    use('virtio', '--append', 'hati.runsvr=kill:virtio-blk:1000')


def nvme_driver_is_killed_each_second():
    use('nvme', '--append', 'hati.runsvr=kill:nvme:1000')


if __name__ == '__main__':
    guest.main([used_on_virtio, used_on_nvme, virtio_driver_is_killed_each_second,
                nvme_driver_is_killed_each_second])
