#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 600
"""File systems on a disk, used by Linux programs: what they read is what mke2fs was given, and what
they leave is what e2fsprogs find there afterwards."""

import hashlib
import os
import shutil
import subprocess
import tempfile

import guest
from guest import check, check_equal

_TOOLS = dict(os.environ, PATH=os.environ['PATH'] + ':/usr/sbin:/sbin')
_DISK = '-drive file=@,if=none,id=d,format=raw -device virtio-blk-pci,addr=0x10,drive=d'
SIZES = (0, 1, 511, 4095, 4096, 4097, 65536, 300000, 5 << 20)
# Programs of tests/linux that are about files; they work in /tmp.
PROGRAMS = ('acl', 'aio', 'exec-at', 'file-handles', 'file-model', 'files', 'inotify', 'limits',
            'locks', 'mounts', 'names', 'transfers', 'views', 'writes')

# In the guest: wait for the disk, which its driver finds, and mount it on /tmp.
MOUNT = r'''
i=0
while [ ! -b /dev/vda ]; do i=$((i+1)); [ $i = 600 ] && exit 9; busybox sleep 0.1; done
mount -t %s %s /dev/vda /tmp || exit 8
cd /tmp
'''

WRITE = r'''
set -e
mkdir -p new/a/b/c
cp -a given copy
for i in 1 2 3 4 5 6 7 8 9 10; do echo "line $i" >> new/lines; done
busybox seq 1 200 | while read n; do echo $n > new/a/file-$n; done
busybox seq 1 2 200 | while read n; do rm new/a/file-$n; done
mv new/a/file-2 new/a/b/moved
ln new/a/file-4 new/a/b/linked
ln -s ../file-4 new/a/b/symbolic
dd if=/dev/zero of=new/sparse bs=1 count=1 seek=1000000 2>/dev/null
dd if=given/5242880 of=new/part bs=1000 skip=7 count=333 2>/dev/null
dd if=given/65536 of=new/part bs=500 seek=3 count=2 conv=notrunc 2>/dev/null
cp given/300000 new/cut
busybox truncate -s 12345 new/cut
chmod 4751 new/lines
chown 12:34 new/part
touch -d '2001-02-03 04:05:06' new/cut
mkfifo new/fifo
mknod new/null c 1 3
printf '#!/bin/sh\necho "from a script: $1"\n' > new/script
chmod 755 new/script
[ "$(new/script x)" = "from a script: x" ]
cp /bin/busybox new/busybox
[ "$(new/busybox echo run)" = run ]
rm -r copy/folder
sync
'''

NUMBERS = ("busybox find . -type f ! -path './lost*' -exec busybox md5sum {} + | "
           "busybox sort -k2")


def tool(*command):
    result = subprocess.run(command, env=_TOOLS, capture_output=True, timeout=120, check=False)
    check(result.returncode == 0, f'{command}: {result.stdout[-500:]!r} {result.stderr[-500:]!r}')
    return result.stdout


def content(size):
    return hashlib.shake_128(str(size).encode()).digest(size)


def make_tree(folder):
    given = os.path.join(folder, 'given')
    os.makedirs(os.path.join(given, 'folder', 'deeper'))
    for size in SIZES:
        with open(os.path.join(given, str(size)), 'wb') as file:
            file.write(content(size))
    for n in range(300):
        with open(os.path.join(given, 'folder', f'entry-{n}'), 'w', encoding='ascii') as file:
            file.write(f'{n}\n')
    os.symlink('../300000', os.path.join(given, 'folder', 'short'))
    os.symlink('x' * 200, os.path.join(given, 'folder', 'long'))
    os.link(os.path.join(given, '4096'), os.path.join(given, 'folder', 'hard'))


def make_image(folder, kind='ext4', size='96M', *options, tree=None):
    image = os.path.join(folder, 'disk')
    with open(image, 'wb'):
        pass
    given = ['-d', tree] if tree else []
    tool('mke2fs', '-q', '-F', '-t', kind, *given, *options, image, size)
    return image


def run(image, script, *, kind='ext4', options='', more=(), timeout=120):
    return guest.shell(MOUNT % (kind, options) + script,
                       options=('--qemu', _DISK.replace('@', image), *more), timeout=timeout)


def numbers_of(folder):
    """What NUMBERS prints of a folder of this machine."""
    lines = []
    for top, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != 'lost+found']
        for name in files:
            path = os.path.join(top, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            with open(path, 'rb') as file:
                digest = hashlib.md5(file.read()).hexdigest()
            lines.append(f'{digest}  ./{os.path.relpath(path, folder)}')
    return sorted(lines, key=lambda line: line[34:].encode())


def dump(image, folder):
    """All of the file system, as debugfs finds it."""
    out = os.path.join(folder, 'dump')
    shutil.rmtree(out, ignore_errors=True)
    os.mkdir(out)
    tool('debugfs', '-R', f'rdump / {out}', image)
    return out


def check_written(image, folder):
    out = dump(image, folder)
    tool('e2fsck', '-fn', image)

    def text(name):
        with open(os.path.join(out, 'new', name), 'rb') as file:
            return file.read()

    check_equal(text('lines'), b''.join(b'line %d\n' % n for n in range(1, 11)), 'lines')
    check_equal(len(os.listdir(os.path.join(out, 'new/a'))), 101 - 1, 'files in new/a')
    check_equal(text('a/b/moved'), b'2\n', 'moved')
    check_equal(text('a/b/linked'), b'4\n', 'linked')
    check_equal(text('sparse'), bytes(1000001), 'sparse')
    part = bytearray(content(5 << 20)[7000:340000])
    part[1500:2500] = content(65536)[:1000]
    check_equal(text('part') == part, True, 'part')
    check_equal(text('cut') == content(300000)[:12345], True, 'cut')
    check_equal(os.path.exists(os.path.join(out, 'copy/folder')), False, 'copy/folder')
    for size in SIZES:
        with open(os.path.join(out, 'copy', str(size)), 'rb') as file:
            check_equal(file.read() == content(size), True, f'copy/{size}')
    for name, words in (('lines', (b'Mode:  04751',)), ('part', (b'User:    12', b'Group:    34')),
                        ('a/file-4', (b'Links: 2',)), ('null', (b'Type: character',)),
                        ('fifo', (b'Type: FIFO',)), ('cut', (b'mtime: 0x3a7b8372',))):
        stat = tool('debugfs', '-R', f'stat /new/{name}', image)
        for word in words:
            check(word in stat, f'{name}: {word!r} is not in {stat!r}')


def trees_are_read_and_written(folder, kind='ext4', *options):
    tree = os.path.join(folder, 'tree')
    os.mkdir(tree)
    make_tree(tree)
    image = make_image(folder, kind, '96M', *options, tree=tree)
    outcome = run(image, f'{NUMBERS} || exit 7\necho @\nset -e\n'
                  'busybox readlink given/folder/long\n'
                  f'busybox cat given/folder/short | busybox md5sum\nset +e\n({WRITE}) || exit 6\n'
                  f'echo @\n{NUMBERS}\ncd /\numount /tmp || exit 5', kind=kind)
    check_equal(outcome.status, 0, f'the status, with {outcome.errors[-300:]!r}')
    before, links, after = outcome.text().split('@\n')
    check_equal(before.splitlines(), numbers_of(tree), 'what is read')
    check_equal(links.split()[0], 'x' * 200, 'the long link')
    check_equal(links.split()[1], hashlib.md5(content(300000)).hexdigest(), 'behind the short link')
    check_written(image, folder)
    check_equal(after.splitlines(), numbers_of(dump(image, folder)), 'what was written')


def older_kinds(folder):
    for kind in ('ext2', 'ext3'):
        with tempfile.TemporaryDirectory(dir=folder) as inner:
            trees_are_read_and_written(inner, kind)


def options_are_obeyed(folder):
    image = make_image(folder)
    outcome = run(image, r'''
		echo x > file || exit 1
		mount -o remount,ro /tmp || exit 2
		echo y > file 2>/dev/null && exit 3
		busybox grep -q '/tmp ext4 ro' /proc/mounts || exit 4
		mount -o remount,rw /tmp || exit 5
		echo z >> file || exit 6
		cd /; umount /tmp || exit 7
		mount -t ext4 -o unheard_of /dev/vda /tmp 2>/dev/null && exit 8
		mount -t ext2 -o ro /dev/vda /tmp 2>/dev/null && exit 13
		mount -t ext4 -o ro,noload /dev/vda /tmp || exit 9
		[ "$(cat /tmp/file)" = "$(printf 'x\nz')" ] || exit 10
		rm /tmp/file 2>/dev/null && exit 11
		umount /tmp || exit 12''')
    check_equal(outcome.status, 0, f'the status, with {outcome.errors[-300:]!r}')
    tool('e2fsck', '-fn', image)


def a_full_disk_is_an_error(folder):
    image = make_image(folder, 'ext4', '8M')
    outcome = run(image, r'''
		busybox dd if=/dev/zero of=big bs=64k count=400 2>/dev/null && exit 1
		sync; rm big; sync
		busybox dd if=/dev/zero of=small bs=64k count=20 2>/dev/null || exit 2
		cd /; umount /tmp || exit 3''')
    check_equal(outcome.status, 0, f'the status, with {outcome.errors[-300:]!r}')
    tool('e2fsck', '-fn', image)


def programs_for_files_find_what_they_expect(folder):
    """tests/linux on the disk: as on a tmpfs."""
    image = make_image(folder, 'ext4', '600M')
    tests = os.path.join(guest.BUILD_FOLDER, 'tests/linux')
    more = [word for name in PROGRAMS for word in ('--add', f'{tests}/{name}-gnu:/t/{name}')]
    outcome = run(image, 'chmod 1777 /tmp\nfor p in ' + ' '.join(PROGRAMS) + r'''; do
		echo "@$p"; mkdir -m 777 /tmp/$p; cd /tmp/$p; /t/$p; cd /tmp; rm -rf /tmp/$p; done
		cd /; umount /tmp || exit 5''', more=more, timeout=300)
    bad = [line for line in outcome.text().splitlines() if line.startswith('not ok')]
    check(not bad, '; '.join(bad))
    check_equal(outcome.status, 0, f'the status, with {outcome.errors[-300:]!r}')
    check_equal(outcome.text().count('@'), len(PROGRAMS), 'programs')
    tool('e2fsck', '-fn', image)


def _in_a_folder(case):
    def run_case():
        with tempfile.TemporaryDirectory(prefix='hati-disk-') as folder:
            case(folder)

    run_case.__name__ = case.__name__
    return run_case


guest.main([_in_a_folder(case) for case in (
    trees_are_read_and_written, older_kinds, options_are_obeyed, a_full_disk_is_an_error,
    programs_for_files_find_what_they_expect)])
