#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 1200
"""A disk's driver is killed every second under `fio --verify` with 32 requests in flight.

No error reaches fio, nothing that it wrote is lost or changed, and each driver gets its device.
HATI_FAULTS_SECONDS (default 6): for each kind of disk."""

import os
import re
import statistics
import subprocess
import tempfile

import guest
from guest import check

_SECONDS = int(os.environ.get('HATI_FAULTS_SECONDS', '6'))
_DISK_BYTES = 64 << 20

# How QEMU is given a disk, and what it is called here and by Linux.
_DISKS = {
    'virtio-blk': ('virtio-blk-pci,drive=d,num-queues=2', 'virtio', 'vda'),
    'nvme': ('nvme,drive=d,serial=HATI', 'nvme', 'nvme0n1'),
}

_FIO = ('fio --name=faults --filename=/dev/@ --direct=1 --ioengine=libaio --iodepth=32 --bs=4k '
        '--rw=randrw --rwmixread=30 --verify=crc32c --verify_backlog=1024 --verify_fatal=1 '
        f'--serialize_overlap=1 --size=48m --time_based --runtime={_SECONDS} --randseed=1 '
        '--group_reporting')
_SCRIPT = f'''
until [ -b /dev/@ ]; do busybox sleep 0.1; done
mkdir -p /tmp; cd /tmp; /{_FIO}; echo "status $?"
'''


_OPTIONS = guest.options_of_program('fio')


def _restarts_ms(log, driver, prefix):
    """How long the disk was away, each time."""
    times, ended = [], None
    for line in log.splitlines():
        time = re.match(r'\[ *([0-9.]+)\]', line)
        if time is None:
            continue
        if f'svrctl: {driver} has ended' in line:
            ended = float(time[1])
        elif f'{driver}: {prefix}-' in line and ' MiB' in line and ended is not None:
            times.append(1000 * (float(time[1]) - ended))
            ended = None
    return times


def _run(driver):
    device, prefix, name = _DISKS[driver]
    with tempfile.TemporaryDirectory(prefix='hati-faults-') as folder:
        image, log_path = os.path.join(folder, 'disk'), os.path.join(folder, 'log')
        with open(image, 'wb') as file:
            file.truncate(_DISK_BYTES)
        outcome = guest.shell(
            _SCRIPT.replace('@', name), timeout=_SECONDS * 3 + 100,
            options=(*_OPTIONS, '--smp', '2', '--log', log_path,
                     '--append', f'hati.runsvr=kill:{driver}:1000', '--qemu',
                     f'-drive file={image},if=none,id=d,format=raw -device {device}'))
        with open(log_path, encoding='utf-8', errors='replace') as file:
            log = file.read()
    times = _restarts_ms(log, driver, prefix)
    text = outcome.text() + outcome.errors.decode('utf-8', 'replace')
    if times:
        print(f'# {driver}: killed {len(times)} times, back after {min(times):.0f} to '
              f'{max(times):.0f} ms, median {statistics.median(times):.0f}')
    for line in re.findall(r'^ *(?:read|write): .*|^ *issued rwts.*', text, re.M):
        print(f'# {line.strip()}')
    check('status 0' in text and re.search(r'err= *0', text), f'fio says: {text[-600:]}')
    check('is given up' not in log, 'a driver has not got its device: ' +
          ''.join(re.findall(r'[^\n]*is given up.*', log)[:1]))
    check(len(times) >= _SECONDS // 2, f'it was killed {len(times)} times only')


def virtio_is_killed_under_fio():
    _run('virtio-blk')


def nvme_is_killed_under_fio():
    _run('nvme')


if __name__ == '__main__':
    if _OPTIONS is None:
        print('skip: there is no fio')
        raise SystemExit(77)
    guest.main([virtio_is_killed_under_fio, nvme_is_killed_under_fio])
