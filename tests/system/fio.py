#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 3600
"""fio writes at random and verifies what it reads, by each of its ways to do I/O: in files of
ext4, with the page cache and without, and on a disk as it is.

HATI_FIO_MEGABYTES (default 2) of each file, HATI_FIO_SEED: which order. HATI_FIO_DISKS='virtio nvme
ahci' (default: virtio)."""

import functools
import os
import re
import subprocess
import tempfile

import guest
from guest import check, check_equal

_MEGABYTES = int(os.environ.get('HATI_FIO_MEGABYTES', '2'))
_SEED = int(os.environ.get('HATI_FIO_SEED', '1'))
_KINDS = os.environ.get('HATI_FIO_DISKS', 'virtio').split()
_DISK_BYTES = (128 + 8 * _MEGABYTES) << 20

# How QEMU is given two disks, and what Linux calls them.
_DISKS = {
    'virtio': ('-device virtio-blk-pci,drive=files -device virtio-blk-pci,drive=raw', 'vda vdb'),
    'nvme': ('-device nvme,drive=files,serial=FILES -device nvme,drive=raw,serial=RAW',
             'nvme0n1 nvme1n1'),
    'ahci': ('-device ich9-ahci,id=a -device ide-hd,drive=files,bus=a.0 '
             '-device ide-hd,drive=raw,bus=a.1', 'sda sdb'),
}

# Engine and depth; memory that is mapped is always cached.
_JOBS = [(engine, depth, direct)
         for engine, depth in (('psync', 1), ('pvsync', 1), ('mmap', 1), ('posixaio', 8),
                               ('libaio', 16))
         for direct in (0, 1) if not (engine == 'mmap' and direct)]

_SCRIPT = '''
for disk in $1 $2; do
	until [ -b /dev/$disk ]; do busybox sleep 0.1; done
done
busybox mkdir -p /mnt /tmp && busybox mount -t ext4 /dev/$1 /mnt && cd /tmp || exit 1
try() { # NAME FILE ENGINE DEPTH DIRECT
	/fio --name=$1 --filename=$2 --ioengine=$3 --iodepth=$4 --direct=$5 --size=${MEGABYTES}m \\
		--rw=randrw --rwmixread=30 --bsrange=4k-64k --ba=4k --verify=crc32c \\
		--verify_fatal=1 --serialize_overlap=1 --randseed=$SEED --end_fsync=1 \\
		--fallocate=none --thread >out 2>&1 && grep -q 'err= *0' out &&
		echo "ok $1" && return
	echo "failed $1"; busybox tail -n 5 out
}
'''


def _words(jobs, names):
    """What the guest does."""
    lines = [_SCRIPT.replace('${MEGABYTES}', str(_MEGABYTES)).replace('$SEED', str(_SEED))]
    for engine, depth, direct in jobs:
        for where, path in (('file', f'/mnt/{engine}{direct}'), ('raw', f'/dev/{names[1]}')):
            lines.append(f'try {_name(where, engine, direct)} {path} {engine} {depth} {direct}')
    return '\n'.join([*lines, 'cd /; busybox umount /mnt && echo unmounted'])


def _name(where, engine, direct):
    return f'{where}-{engine}-{"direct" if direct else "cached"}'


def _run(kind):
    devices, names = _DISKS[kind]
    names = names.split()
    with tempfile.TemporaryDirectory(prefix='hati-fio-') as folder:
        images = {name: os.path.join(folder, name) for name in ('files', 'raw')}
        for image in images.values():
            with open(image, 'wb') as file:
                file.truncate(_DISK_BYTES)
        subprocess.run(['mke2fs', '-q', '-F', '-t', 'ext4', images['files']], check=True)
        drives = ' '.join(f'-drive if=none,id={name},format=raw,file={image},cache=writeback'
                          for name, image in images.items())
        outcome = guest.run(
            'busybox', 'sh', '-c', _words(_JOBS, names), 'sh', *names,
            timeout=300 + 60 * _MEGABYTES,
            options=(*_OPTIONS, '--smp', '2', '--qemu', f'{drives} {devices}'))
        fsck = subprocess.run(['e2fsck', '-fn', images['files']], capture_output=True, text=True,
                              check=False)
    text = outcome.text() + outcome.errors.decode('utf-8', 'replace')
    held = set(re.findall(r'^ok (\S+)', text, re.M))
    for engine, _, direct in _JOBS:
        for where in ('file', 'raw'):
            name = _name(where, engine, direct)
            check(name in held, f'{name}: {text[-1500:]}')
    check('unmounted' in text, f'the end: {text[-500:]}')
    check_equal(fsck.returncode, 0, f'e2fsck: {fsck.stdout[-300:]}')


def _cases():
    for kind in _KINDS:
        case = functools.partial(_run, kind)
        case.__name__ = f'all_engines_on_{kind}'
        yield case


if __name__ == '__main__':
    _OPTIONS = guest.options_of_program('fio')
    if _OPTIONS is None:
        print('skip: there is no fio')
        raise SystemExit(77)
    guest.main(_cases())
