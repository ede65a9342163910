#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 300
"""Debian's programs for disks, on disks of three kinds, see and leave what is on their images."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile

import guest
from guest import check, check_equal

_PATH = os.environ['PATH'] + ':/usr/sbin:/sbin'
_PACKAGES = ('util-linux', 'mount', 'fdisk', 'e2fsprogs')
_PROGRAMS = ('lsblk', 'blkid', 'fdisk', 'sfdisk', 'mke2fs', 'e2fsck', 'tune2fs', 'dd', 'blockdev',
             'mkswap', 'blkdiscard', 'wipefs', 'losetup')

_TABLE = """label: gpt
label-id: 11111111-2222-3333-4444-555555555555
size=20M, name="boot part", uuid=AAAAAAAA-2222-3333-4444-555555555555
name=root, uuid=BBBBBBBB-2222-3333-4444-555555555555
"""
_UUID = '01234567-89ab-cdef-fedc-ba9876543210'
_START = 1 << 20

_DISKS = (
    ('virtio', 64 << 20, '-device virtio-blk-pci,addr=0x10,drive=@'),
    ('nvme', 32 << 20, '-device nvme,addr=0x11,drive=@,serial=HATI'),
    ('ahci', 32 << 20, '-device ich9-ahci,addr=0x12,id=a -device ide-hd,drive=@,bus=a.2,serial=S1'),
)
_COLUMNS = ('NAME,MAJ:MIN,SIZE,RO,TYPE,PHY-SEC,FSTYPE,LABEL,UUID,PARTUUID,PARTLABEL,TRAN,'
            'PKNAME')
_NODES = ('vda1', 'vda2', 'nvme0n1', 'sda')
_WAIT = '\n'.join(f'until [ -b /dev/{node} ]; do busybox sleep 0.1; done' for node in _NODES)


def tool(*command, text=None):
    result = subprocess.run(command, env=dict(os.environ, PATH=_PATH), capture_output=True,
                            timeout=60, check=False, text=True, input=text)
    check(result.returncode == 0, f'{command}: {result.stdout[-300:]} {result.stderr[-300:]}')
    return result.stdout


def program_options():
    """Options of the launcher that bring the programs along; None if this machine lacks some."""
    subprocess.run(['sh', os.path.join(guest.TOP, 'tools/setup/install.sh'), *_PACKAGES],
                   check=False, capture_output=True)
    found = [shutil.which(name, path=_PATH) for name in _PROGRAMS]
    if None in found:
        return None
    files = {os.path.realpath(path): f'/disk/{name}' for name, path in zip(_PROGRAMS, found)}
    for path in found:
        libraries = tool('ldd', path)
        files |= {os.path.realpath(file): file for file in re.findall(r'(/\S+) \(', libraries)}
    return [word for host, path in files.items() for word in ('--add', f'{host}:{path}')]


_OPTIONS = program_options()


class Machine:
    """Three disks, the first with two partitions of which the first has a file system."""

    def __init__(self, folder):
        self.images = {}
        self.options = list(_OPTIONS)
        for number, (name, size, device) in enumerate(_DISKS):
            image = self.images[name] = os.path.join(folder, name)
            with open(image, 'wb') as file:
                file.truncate(size)
            self.options += ['--qemu', f'-drive file={image},if=none,id=d{number},format=raw,'
                                       f'discard=unmap {device.replace("@", f"d{number}")}']
        small = os.path.join(folder, 'small')
        with open(small, 'wb') as file:
            file.truncate(20 << 20)
        tool('mke2fs', '-q', '-F', '-t', 'ext4', '-L', 'rootfs', '-U', _UUID, small)
        tool('sfdisk', '-q', self.images['virtio'], text=_TABLE)
        with open(small, 'rb') as source, open(self.images['virtio'], 'r+b') as target:
            target.seek(_START)
            shutil.copyfileobj(source, target)
        with open(self.images['nvme'], 'r+b') as file:
            file.write(os.urandom(1 << 20))
            file.seek(-5000, os.SEEK_END)
            file.write(os.urandom(5000))

    def run(self, script):
        outcome = guest.shell(f'{_WAIT}\nexport PATH=/disk:$PATH\n{script}',
                              options=self.options, timeout=100)
        check(outcome.status == 0, f'{outcome.status}: {outcome.text()[-800:]} '
                                   f'{outcome.errors[-800:]!r}')
        return outcome.text()

    def digest(self, name, start=0, size=None):
        with open(self.images[name], 'rb') as file:
            file.seek(start)
            return hashlib.md5(file.read() if size is None else file.read(size)).hexdigest()


def with_machine(case):
    def run():
        with tempfile.TemporaryDirectory(prefix='hati-nodes-') as folder:
            case(Machine(folder))
    run.__name__ = case.__name__
    return run


def fields(text):
    """The lines of lsblk -P, by name."""
    rows = [dict(re.findall(r'(\S+?)="(.*?)"', line)) for line in text.splitlines()]
    return {row['NAME']: row for row in rows if 'NAME' in row}


def partition_lines(text):
    """Those of fdisk -l, without the device's name."""
    return [line.split(None, 1)[1] for line in text.splitlines() if re.match(r'/\S+\d\s', line)]


@with_machine
def disks_are_listed_as_they_are(machine):
    text = machine.run("""
/disk/lsblk -b -P -o """ + _COLUMNS + """
echo ---; /disk/blkid -o full; echo ---; /disk/fdisk -l /dev/vda; echo ---
busybox cat /proc/partitions; echo ---
for link in /dev/disk/by-uuid/* /dev/disk/by-partuuid/*; do busybox readlink $link; done
""").split('---\n')
    rows = fields(text[0])
    check_equal(sorted(rows), ['nvme0n1', 'sda', 'vda', 'vda1', 'vda2'], 'what lsblk lists')
    expected = {'MAJ:MIN': '254:1', 'SIZE': str(20 << 20), 'RO': '0', 'TYPE': 'part',
                'PHY-SEC': '512', 'FSTYPE': 'ext4', 'LABEL': 'rootfs', 'UUID': _UUID,
                'PARTUUID': 'aaaaaaaa-2222-3333-4444-555555555555', 'PARTLABEL': 'boot part',
                'PKNAME': 'vda'}
    for column, value in expected.items():
        check_equal(rows['vda1'][column], value, f'{column} of vda1')
    check_equal([rows[name]['TRAN'] for name in ('nvme0n1', 'sda')], ['nvme', 'sata'], 'TRAN')
    check_equal([rows[name]['MAJ:MIN'] for name in ('sda', 'nvme0n1')], ['8:0', '259:0'], 'numbers')
    check(f'/dev/vda1: LABEL="rootfs" UUID="{_UUID}"' in text[1], f'blkid says {text[1]}')
    check_equal(partition_lines(text[2]),
                partition_lines(tool('fdisk', '-l', machine.images['virtio'])), 'partitions')
    check(re.search(r'^ +254 +2 +43008 vda2$', text[3], re.M), f'/proc/partitions is {text[3]}')
    check_equal(text[4].split(), ['../../vda1', '../../vda1', '../../vda2'], 'links')


@with_machine
def bytes_are_those_of_the_image(machine):
    reads = ('if=/dev/vda bs=1M', 'if=/dev/vda1 bs=64k iflag=direct', 'if=/dev/nvme0n1 bs=4k',
             'if=/dev/nvme0n1 bs=999 skip=1 count=1003 iflag=fullblock',
             'if=/dev/vda1 bs=512 skip=40959')
    text = machine.run('\n'.join(f'/disk/dd {read} status=none | busybox md5sum' for read in reads))
    expected = [machine.digest('virtio'), machine.digest('virtio', _START, 20 << 20),
                machine.digest('nvme'), machine.digest('nvme', 999, 999 * 1003),
                machine.digest('virtio', _START + 512 * 40959, 512)]
    check_equal([line.split()[0] for line in text.splitlines()], expected, 'digests')


@with_machine
def file_systems_are_made_and_checked(machine):
    text = machine.run("""
/disk/mke2fs -q -t ext4 -L made /dev/sda || echo bad
/disk/e2fsck -fn /dev/sda || echo bad
/disk/tune2fs -L other /dev/sda || echo bad
until [ -e /dev/disk/by-label/other ]; do busybox sleep 0.1; done
[ -e /dev/disk/by-label/made ] && echo bad
/disk/dd if=/dev/zero of=/dev/sda seek=65536 count=1 2>&1 | busybox grep -c 'No space'
busybox sync
""")
    check('bad' not in text, text)
    check_equal(text.split()[-1], '1', 'writing behind the end')
    check('other: 11/' in tool('e2fsck', '-fn', machine.images['ahci']), 'the label')


@with_machine
def a_table_is_written_and_read_again(machine):
    text = machine.run("""
printf 'label: dos\\n2048,16384\\n,,S\\n' | /disk/sfdisk -q --wipe always /dev/nvme0n1 || echo bad
[ -b /dev/nvme0n1p1 ] && [ -b /dev/nvme0n1p2 ] || echo bad
/disk/mke2fs -q -t ext2 /dev/nvme0n1p1 && /disk/e2fsck -fn /dev/nvme0n1p1 || echo bad
/disk/mkswap -q -L swap /dev/nvme0n1p2 || echo bad
/disk/blkid -o value -s LABEL /dev/nvme0n1p2
/disk/blkdiscard -z -o 1M -l 64k /dev/vda2 && /disk/blkdiscard /dev/vda2 || echo bad
/disk/wipefs -a -q /dev/vda1 || echo bad
/disk/blockdev --getsize64 --getss --getpbsz --getiomin --getro /dev/nvme0n1p1
busybox sync
""")
    check('bad' not in text, text)
    check_equal(text.split()[-6:], ['swap', str(8 << 20), '512', '512', '512', '0'], 'what is told')
    listed = partition_lines(tool('fdisk', '-l', machine.images['nvme']))
    check_equal([line.split()[2] for line in listed], ['16384', '47104'], 'sectors of partitions')
    part = machine.images['nvme'] + '.part'
    with open(machine.images['nvme'], 'rb') as source, open(part, 'wb') as target:
        source.seek(_START)
        target.write(source.read(8 << 20))
    tool('e2fsck', '-fn', part)
    with open(machine.images['virtio'], 'rb') as file:
        file.seek(_START + 1024 + 0x38)
        check_equal(file.read(2), b'\0\0', 'the magic number of what was wiped')


@with_machine
def devices_come_back_with_their_server(machine):
    machine.options += ['--append', 'hati.runsvr=kill:fs:20000']
    text = machine.run(f"""
exec 3</dev/sda; busybox ls -l /dev/vda2
while /disk/dd iflag=direct bs=512 count=1 status=none <&3 >/dev/null 2>&1; do
	busybox sleep 0.1
done
{_WAIT}
busybox ls -l /dev/vda2; /disk/dd bs=512 count=1 status=none <&3 2>&1 | busybox tail -1
/disk/dd if=/dev/nvme0n1 bs=64k status=none | busybox md5sum
""").splitlines()
    numbers = [re.search(r'(\d+), +(\d+)', line).groups() for line in text[:2]]
    check_equal(numbers[1], numbers[0], 'the number of vda2')
    check(text[2].endswith('Input/output error'), f'what was open answers {text[2]}')
    check_equal(text[3].split()[0], machine.digest('nvme'), 'the digest')


@with_machine
def files_are_disks(machine):
    text = machine.run("""
busybox mkdir -p /tmp /mnt /inner; busybox dd if=/dev/zero of=/tmp/f bs=1M count=16 2>/dev/null
d=$(/disk/losetup -f --show -o 1M --sizelimit 8M /tmp/f); echo $d; /disk/blockdev --getsize64 $d
printf 'label: dos\\n2048,4096\\n,,\\n' | /disk/sfdisk -q $d && echo part > ${d}p1 || echo bad
busybox dd if=/tmp/f bs=1M skip=2 count=1 2>/dev/null | busybox head -c 5
/disk/losetup -a; /disk/losetup -d $d; /disk/losetup -a; busybox ls /sys/block | busybox grep loop
/disk/losetup -r /dev/loop3 /tmp/f
/disk/dd if=/tmp/f of=/dev/loop3 conv=nocreat 2>&1 | busybox grep -c permitted
/disk/losetup -d /dev/loop3; /disk/losetup -d /dev/loop3 2>&1 | busybox grep -c 'No such'
/disk/mke2fs -q -F -t ext4 /dev/sda; busybox mount -t ext4 /dev/sda /mnt
busybox dd if=/dev/zero of=/mnt/f bs=1M count=8 2>/dev/null; /disk/mke2fs -q -F -t ext4 /mnt/f
busybox mount -t ext4 -o loop /mnt/f /inner && busybox cp /bin/busybox /inner/copy || echo bad
/disk/losetup -a; busybox umount /inner
while [ -n "$(/disk/losetup -a)" ]; do busybox sleep 0.1; done
/disk/e2fsck -fn /mnt/f >/dev/null 2>&1 || echo bad
busybox umount /mnt
""")
    check('bad' not in text, text)
    lines = text.splitlines()
    check_equal(lines[:3], ['/dev/loop0', str(8 << 20), 'part'], 'the first device')
    check(re.fullmatch(r'/dev/loop0: .*\(/tmp/f\), offset 1048576, sizelimit 8388608', lines[3]),
          f'losetup says {lines[3]}')
    check_equal(lines[4:6], ['1', '1'], 'errors')
    check(re.fullmatch(r'/dev/loop0: .*\(/mnt/f\)', lines[6]), f'losetup says {lines[6]}')
    check_equal(len(lines), 7, 'lines')
    tool('e2fsck', '-fn', machine.images['ahci'])


if __name__ == '__main__':
    if _OPTIONS is None:
        print('skip: there is no e2fsprogs or fdisk')
        raise SystemExit(77)
    guest.main([disks_are_listed_as_they_are, bytes_are_those_of_the_image,
                file_systems_are_made_and_checked, a_table_is_written_and_read_again,
                devices_come_back_with_their_server, files_are_disks])
