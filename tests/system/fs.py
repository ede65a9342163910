#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 300
"""The file server: what a client (tests/fs) does to ext4, e2fsprogs find on the disk."""

import os
import subprocess
import tempfile

import guest
from guest import check, check_equal

DISK_BYTES = 64 << 20
GIVEN_BYTES = 100000
WRITTEN = 300000
BIG_BYTES = 12 << 20
DIRECT_BYTES = 8 << 20

_TOOLS = dict(os.environ, PATH=os.environ['PATH'] + ':/usr/sbin:/sbin')
_VIRTIO = '-drive file=@,if=none,id=d,format=raw -device virtio-blk-pci,addr=0x10,drive=d'
_NAME = 'virtio-0000:00:10.0'
_N_CASES = 18
_N_LOAN_CASES = 12


def pattern(offset, length, salt):
    """The same as in tests/fs."""
    return bytes((at * 7 + at // 512 * 13 + salt * 31) & 255
                 for at in range(offset, offset + length))


def tool(*command):
    result = subprocess.run(command, env=_TOOLS, capture_output=True, timeout=120, check=False)
    check(result.returncode == 0, f'{command}: {result.stdout[-500:]!r} {result.stderr[-500:]!r}')
    return result.stdout


def make_ext4(image, *options, size=DISK_BYTES):
    """A file system with the one file that tests/fs knows of."""
    with open(image, 'wb') as file:
        file.truncate(size)
    with tempfile.TemporaryDirectory(prefix='hati-fs-') as folder:
        with open(os.path.join(folder, 'given'), 'wb') as file:
            file.write(pattern(0, GIVEN_BYTES, 0))
        tool('mke2fs', '-q', '-F', '-t', 'ext4', '-b', '4096', '-d', folder, *options, image)


def contents(image, name):
    return tool('debugfs', '-R', f'cat /{name}', image)


def check_image(image):
    tool('e2fsck', '-fn', image)
    check_equal(contents(image, 'given') == pattern(0, GIVEN_BYTES, 0), True, 'given')
    check_equal(contents(image, 'written') == pattern(0, WRITTEN, 1), True, 'written')
    cut = pattern(0, 10000, 2) + bytes(50000) + pattern(60000, 5000, 2)
    check_equal(contents(image, 'cut') == cut, True, 'cut')
    holes = pattern(0, 5000, 3) + bytes(30000) + pattern(35000, 35000, 3) + bytes(20000)
    check_equal(contents(image, 'holes') == holes, True, 'holes')
    check_equal(contents(image, 'direct') == pattern(0, 65536, 4), True, 'direct')
    check_equal(contents(image, 'big') == pattern(0, BIG_BYTES, 5), True, 'big')
    check_equal(contents(image, 'folder/file'), b'', 'folder/file')
    listing = tool('debugfs', '-R', 'ls -p /many', image)
    check_equal(listing.count(b'entry-'), 300, 'entries')
    with open(image, 'rb') as file:
        check_equal(file.read(512) == pattern(0, 512, 7), True, 'the first sector')


def run_client(image, *, name=_NAME, settings='', drive=_VIRTIO, n_cases=_N_CASES, timeout=120):
    qemu = ['--qemu', drive.replace('@', image)] if drive else []
    cases = guest.cases_of_program('fs', *qemu, name='fs-test',
                                   n_cases=n_cases, settings=f'fs.name={name} {settings}',
                                   timeout=timeout)
    bad = [case for case in cases if case.startswith('not ok')]
    check(not bad, '; '.join(bad))


def _with_file_system(*options, **settings):
    with tempfile.TemporaryDirectory(prefix='hati-fs-') as folder:
        image = os.path.join(folder, 'disk')
        make_ext4(image, *options)
        run_client(image, **settings)
        check_image(image)


def ext4():
    _with_file_system()


def blocks_of_1024_bytes():
    _with_file_system('-b', '1024')


def a_partition():
    """The second of two: it is cut out of the disk for the tools."""
    table = """label: gpt
        start=2048, size=32768, name=boot
        start=34816, size=81920, name=root
    """
    with tempfile.TemporaryDirectory(prefix='hati-fs-') as folder:
        image = os.path.join(folder, 'disk')
        part = os.path.join(folder, 'part')
        with open(image, 'wb') as file:
            file.truncate(DISK_BYTES)
        subprocess.run(['sfdisk', '-q', image], input=table.encode(), env=_TOOLS, check=True,
                       timeout=60)
        make_ext4(part, size=40 << 20)
        with open(image, 'r+b') as disk, open(part, 'rb') as file:
            disk.seek(17 << 20)
            disk.write(file.read())
        run_client(image, name=f'{_NAME}-part2', settings='fs.partition=2')
        with open(image, 'rb') as disk, open(part, 'wb') as file:
            check_equal(any(disk.read(440)), False, 'boot code')
            disk.seek(17 << 20)
            file.write(disk.read(40 << 20))
        check_image(part)


def errors_of_the_disk():
    """A block of `given` cannot be read, another one not be written."""
    with tempfile.TemporaryDirectory(prefix='hati-fs-') as folder:
        image = os.path.join(folder, 'disk')
        make_ext4(image)
        blocks = tool('debugfs', '-R', 'blocks given', image).split()
        rules = ''.join(
            f',file.inject-error.{rule}.event=none,file.inject-error.{rule}.iotype={kind}'
            f',file.inject-error.{rule}.sector={int(blocks[block]) * 8}'
            for rule, kind, block in ((0, 'read', 2), (1, 'write', 5)))
        drive = ('-drive if=none,id=d,format=raw,file.driver=blkdebug,file.image.driver=file,'
                 f'file.image.filename=@{rules} -device virtio-blk-pci,addr=0x10,drive=d')
        run_client(image, drive=drive, settings='fs.mode=errors', n_cases=2)
        tool('e2fsck', '-fn', image)
        check_equal(contents(image, 'given') == pattern(0, GIVEN_BYTES, 0), True, 'given')


def a_disk_is_taken_out():
    run_client('', drive='', name='ram0', n_cases=1,
               settings='hati.ramdisk=16 hati.ramdisk.life=3000 fs.mode=removal')


def _direct(settings='', mode='direct', n_cases=8):
    """Direct transfers of a program: what it finds on the disk, and leaves there."""
    with tempfile.TemporaryDirectory(prefix='hati-fs-') as folder:
        image = os.path.join(folder, 'disk')
        with open(image, 'wb') as file:
            file.write(pattern(0, DIRECT_BYTES, 0))
        run_client(image, settings=f'fs.mode={mode} {settings}', n_cases=n_cases)
        with open(image, 'rb') as file:
            check_equal(file.read(1 << 20) == pattern(0, 1 << 20, 8), True, 'what was written')


def direct_transfers():
    _direct()


def direct_transfers_while_the_driver_dies():
    _direct('hati.runsvr=kill:virtio-blk:700')


def loans():
    _direct(mode='loans', n_cases=_N_LOAN_CASES)


def loans_while_the_driver_dies():
    _direct('hati.runsvr=kill:virtio-blk:700 fs.rounds=60', mode='loans', n_cases=_N_LOAN_CASES)


def the_driver_dies_all_the_time():
    _with_file_system(settings='hati.runsvr=kill:virtio-blk:700')


def the_server_dies_all_the_time():
    with tempfile.TemporaryDirectory(prefix='hati-fs-') as folder:
        image = os.path.join(folder, 'disk')
        make_ext4(image)
        run_client(image, settings='hati.runsvr=kill:fs:900 fs.mode=ends', n_cases=1)
        # the journal is replayed, which is all that is wrong
        subprocess.run(['e2fsck', '-y', '-E', 'journal_only', image], env=_TOOLS, timeout=120,
                       capture_output=True, check=False)
        tool('e2fsck', '-fn', image)


if __name__ == '__main__':
    guest.main([ext4, blocks_of_1024_bytes, a_partition, errors_of_the_disk,
                a_disk_is_taken_out, direct_transfers,
                direct_transfers_while_the_driver_dies, loans, loans_while_the_driver_dies,
                the_driver_dies_all_the_time, the_server_dies_all_the_time])
