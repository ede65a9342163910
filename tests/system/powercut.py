#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 7200
"""Power cuts: wherever the power goes, a disk holds what was fsynced, and no contradictions.

The guest runs tests/powercut/workload on an ext4 file system, beside it sqlite's transactions
(tests/powercut/database); QEMU records what is written to the disk, and when it is flushed
(blklogwrites). From the record come images as power cuts may leave them: everything before a flush,
and of what was written since then a random part, torn between sectors. Each is replayed by us
(tests/powercut/judge, which mounts it as a file server does) and by e2fsck; then both must hold
what the workload's markers say, e2fsck must find nothing, and sqlite must find whole databases with
each transaction that was committed.

HATI_POWERCUT_POINTS: how many cuts (default 60); HATI_POWERCUT_SEED: which workload and which cuts;
HATI_POWERCUT_DISK: on virtio (default), nvme or ahci.
"""

import concurrent.futures
import os
import random
import shutil
import struct
import subprocess
import tempfile

import databases
import guest
from guest import check, check_equal

N_POINTS = int(os.environ.get('HATI_POWERCUT_POINTS', '60'))
SEED = int(os.environ.get('HATI_POWERCUT_SEED', '1'))
DISK = os.environ.get('HATI_POWERCUT_DISK', 'virtio')
N_WORKERS = 4
N_STEPS = max(20, N_POINTS // 8)

SECTOR = 512
MIB = 1 << 20
FS_START, FS_SIZE = 1 * MIB, 32 * MIB
SUPERBLOCK = FS_START + 1024
MARKERS_START, MARKERS_SIZE = FS_START + FS_SIZE, 1 * MIB
DISK_SIZE = MARKERS_START + MARKERS_SIZE + 1 * MIB
MARKER_STRIDE = 4096
MARKER = struct.Struct('<QQII')  # struct plan_marker
MARKER_MAGIC = 0x7475637265776f70

JUDGE = os.path.join(guest.TOP, 'build/host/tests/powercut/powercut-judge')
WORKLOAD = os.path.join(guest.BUILD_FOLDER, 'tests/powercut/workload')
DATABASE = os.path.join(guest.BUILD_FOLDER, 'tests/powercut/database')

DEVICES = {
    'virtio': '-device virtio-blk-pci,drive=d',
    'nvme': '-device nvme,drive=d,serial=HATI',
    'ahci': '-device ich9-ahci,id=a -device ide-hd,drive=d,bus=a.0',
}

SCRIPT = '''
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	for disk in vda nvme0n1p sda; do
		[ -b /dev/${disk}2 ] && found=/dev/$disk
	done
	[ "$found" ] && break
	sleep 0.2
done
mkdir -p /mnt && mount -t ext4 ${found}1 /mnt || exit 1
(/database /mnt/db ${found}2 $1 $2 $3; echo "database: $?") &
/workload /mnt ${found}2 "$@"
echo "workload: $?"
wait
umount /mnt && echo unmounted
'''


# ---- the record

class Record:
    """What QEMU has recorded: [(kind, offset, data)], in the order in which it was done."""

    FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
    _SUPER = struct.Struct('<QQQI')
    _ENTRY = struct.Struct('<QQQQ')

    def __init__(self, path):
        self.entries = []
        with open(path, 'rb') as file:
            magic, version, n_entries, sector = self._SUPER.unpack(
                file.read(self._SUPER.size))
            check_equal((magic, version), (0x6a736677736872, 1), 'the record')
            at = sector
            for _ in range(n_entries):
                file.seek(at)
                place, length, flags, _ = self._ENTRY.unpack(file.read(self._ENTRY.size))
                at += sector
                data = b''
                if length and not flags & self.DISCARD:
                    file.seek(at)
                    data = file.read(length * sector)
                    at += length * sector
                self.entries.append((flags, place * sector, data))


def marker_of(offset, data):
    """(worker, steps done) if a write is one of a marker."""
    if MARKERS_START <= offset < MARKERS_START + MARKERS_SIZE and len(data) >= MARKER.size:
        magic, seed, worker, n_steps = MARKER.unpack(data[:MARKER.size])
        if (magic, seed) == (MARKER_MAGIC, SEED):
            return worker, n_steps
    return None


def put(image, offset, data):
    image[offset:offset + len(data)] = data


def units(offset, size):
    """(begin, end) within a write of what the disk writes as a whole.

    That is a sector, but for the superblock, whose checksum is in its second one: it is written in
    place when the file system is mounted, as by Linux, which refuses half of it, too."""
    at = 0
    while at < size:
        end = at + (2 * SECTOR if offset + at == SUPERBLOCK else SECTOR)
        yield at, min(end, size)
        at = end


def leave(image, offset, data, chance):
    """What may be left of a write that no flush has covered."""
    fate = chance.random()
    if fate < 0.4:
        put(image, offset, data)
    elif fate < 0.6:
        for at, end in units(offset, len(data)):
            if chance.random() < 0.5:
                put(image, offset + at, data[at:end])


def crashes(first_image, record, n_points, chance):
    """Yields (number of entries, markers, image) for so many cuts, spread over the record."""
    durable = bytearray(first_image)
    markers = [0] * (N_WORKERS + databases.N_DATABASES)
    pending = []
    cuts = sorted(chance.sample(range(1, len(record.entries) + 1),
                                min(n_points, len(record.entries))))
    for number, (flags, offset, data) in enumerate(record.entries, 1):
        if flags & Record.FLUSH:
            for place, old in pending:
                put(durable, place, old)
            pending = []
        if data:
            marker = marker_of(offset, data)
            if marker is not None:
                markers[marker[0]] = marker[1]
            if flags & Record.FUA:
                put(durable, offset, data)
            else:
                pending.append((offset, data))
        while cuts and cuts[0] == number:
            cuts.pop(0)
            image = bytearray(durable)
            order = pending[:]
            chance.shuffle(order)
            for place, new in order:
                leave(image, place, new, chance)
            yield number, markers[:], image


# ---- judging

def run(*words):
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    return result.returncode, (result.stdout + result.stderr).strip()


def judge(path, markers, *more):
    return run(JUDGE, path, str(SEED), *more, *map(str, markers[:N_WORKERS]))


def judge_databases(path, markers):
    why = databases.judge(path, markers[N_WORKERS:], path + '-databases')
    return int(why != ''), why


def judge_point(folder, number, markers, image):
    """Why a cut is not survived, '' if it is."""
    ours, theirs, replayed = (os.path.join(folder, f'{name}-{number}')
                              for name in ('ours', 'theirs', 'replayed'))
    try:
        for path in (ours, theirs):
            with open(path, 'wb') as file:
                file.write(image[FS_START:FS_START + FS_SIZE])
        for what, status, text in (
                ('our replay', *judge(ours, markers, '--save', replayed)),
                ('e2fsck after our replay', *run('e2fsck', '-fn', replayed)),
                ('after our replay', *judge_databases(replayed, markers))):
            if status:
                return f'{what}: {text}'
        status, text = run('e2fsck', '-p', '-E', 'journal_only', theirs)
        if status > 1:
            return f'replay by e2fsck: {text}'
        for what, status, text in (
                ('e2fsck after its replay', *run('e2fsck', '-fn', theirs)),
                ('after the replay by e2fsck', *judge(theirs, markers)),
                ('after the replay by e2fsck', *judge_databases(theirs, markers))):
            if status:
                return f'{what}: {text}'
        return ''
    finally:
        for path in (ours, theirs, replayed):
            if os.path.exists(path):
                os.unlink(path)


# ---- the run

def make_disk(path):
    with open(path, 'wb') as file:
        file.truncate(DISK_SIZE)
    table = (f'label: gpt\nstart={FS_START // SECTOR}, size={FS_SIZE // SECTOR}\n'
             f'start={MARKERS_START // SECTOR}, size={MARKERS_SIZE // SECTOR}\n')
    subprocess.run(['sfdisk', '-q', path], input=table, text=True, check=True)
    subprocess.run(['mke2fs', '-q', '-F', '-t', 'ext4', '-J', 'size=4', '-E', f'offset={FS_START}',
                    path, f'{FS_SIZE >> 10}k'], check=True)


def record_workload(folder):
    """Runs the workload; what was on the disk before, and the record."""
    disk, log = os.path.join(folder, 'disk'), os.path.join(folder, 'log')
    make_disk(disk)
    with open(disk, 'rb') as file:
        first_image = file.read()
    with open(log, 'wb'):
        pass
    drive = (f'-blockdev driver=file,filename={disk},node-name=f '
             f'-blockdev driver=file,filename={log},node-name=l '
             f'-blockdev driver=blklogwrites,file=f,log=l,node-name=d {DEVICES[DISK]}')
    outcome = guest.run('busybox', 'sh', '-c', SCRIPT, 'sh', str(SEED), str(N_STEPS),
                        str(N_WORKERS), options=('--qemu', drive, '--add', f'{WORKLOAD}:/workload',
                                                 '--add', f'{DATABASE}:/database',
                                                 '--smp', '2'), timeout=600 + 4 * N_STEPS)
    text = outcome.text() + outcome.errors.decode('utf-8', 'replace')
    check('workload: 0' in text and 'database: 0' in text and 'unmounted' in text,
          f'the workload: {text[-300:]}')
    shutil.copy(disk, os.path.join(folder, 'last'))
    return first_image, Record(log)


def power_cuts_are_survived():
    chance = random.Random(SEED)
    print(f'# seed {SEED}, {N_POINTS} cuts')
    with tempfile.TemporaryDirectory(prefix='hati-powercut-') as folder:
        first_image, record = record_workload(folder)
        n_flushes = sum(1 for entry in record.entries if entry[0] & Record.FLUSH)
        print(f'# {len(record.entries)} writes and flushes, {n_flushes} flushes')
        check(DISK != 'nvme' or any(entry[0] & Record.FUA for entry in record.entries),
              "this QEMU's NVMe device drops FUA (7.2 does): what it wrote so cannot be told")
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            running = set()
            for number, markers, image in crashes(first_image, record, N_POINTS, chance):
                running.add(pool.submit(judge_point, folder, number, markers, image))
                if len(running) > os.cpu_count() * 2:
                    done, running = concurrent.futures.wait(
                        running, return_when=concurrent.futures.FIRST_COMPLETED)
                    for future in done:
                        check_equal(future.result(), '', 'a cut')
            for future in running:
                check_equal(future.result(), '', 'a cut')


if __name__ == '__main__':
    guest.main([power_cuts_are_survived])
