#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 600
"""FAT and ISO 9660 in the guest: what tools of this machine made, and what they find afterwards.
Also ext4 with contents in its journal, and mount options that are refused."""

import hashlib
import os
import subprocess
import tempfile

import guest
from guest import check, check_equal

_TOOLS = dict(os.environ, PATH=os.environ['PATH'] + ':/usr/sbin:/sbin')
_DISK = '-drive file=@,if=none,id=d,format=raw -device virtio-blk-pci,addr=0x10,drive=d'
_LONG = 'A rather long name, with spaces, dots. and umlauts äöü.text'

WAIT = r'''
i=0
while [ ! -b /dev/vda ]; do i=$((i+1)); [ $i = 600 ] && exit 9; busybox sleep 0.1; done
mkdir -p /mnt
'''

NUMBERS = "busybox find . -type f -exec busybox md5sum {} + | busybox sort -k2"

WRITE_FAT = r'''
set -e
mkdir -p 'New folder/deeper'
cp -r given copy
cp '%s' 'New folder/Copy of a long name.text'
echo 'lines' > lower.txt
echo 'more' >> lower.txt
mv given/300000 'New folder/moved and renamed'
rm given/4095
dd if=given/65536 of=part bs=1000 skip=3 count=20 2>/dev/null
dd if=given/4096 of=part bs=100 seek=7 count=5 conv=notrunc 2>/dev/null
busybox truncate -s 50000 part
i=0
while [ $i -lt 60 ]; do echo $i > "New folder/deeper/entry number $i"; i=$((i+1)); done
i=0
while [ $i -lt 60 ]; do rm "New folder/deeper/entry number $i"; i=$((i+2)); done
[ -e LOWER.TXT ]
mkdir gone && busybox rmdir gone
mkdir Dir
echo 1 > DIR/one
[ -e dir/ONE ]
rm dir/one
[ ! -e DIR/one ]
mv dir Moved
[ ! -e DIR ]
busybox rmdir moved
[ ! -e MOVED ]
mkdir MOVED
busybox rmdir moved
! ln part hard 2>/dev/null || exit 5
! ln -s part soft 2>/dev/null || exit 5
! busybox touch 'a:b' 2>/dev/null || exit 5
sync
'''


def tool(*command, **more):
    result = subprocess.run(command, env=dict(_TOOLS, LC_ALL='C.UTF-8'), capture_output=True,
                            timeout=120, check=False, **more)
    check(result.returncode == 0, f'{command}: {result.stdout[-500:]!r} {result.stderr[-500:]!r}')
    return result.stdout


def content(size):
    return hashlib.shake_128(str(size).encode()).digest(size)


def make_tree(folder):
    tree = os.path.join(folder, 'tree')
    given = os.path.join(tree, 'given')
    os.makedirs(os.path.join(given, 'folder', 'deeper'))
    for size in (0, 1, 4095, 4096, 65536, 300000):
        with open(os.path.join(given, str(size)), 'wb') as file:
            file.write(content(size))
    with open(os.path.join(tree, _LONG), 'wb') as file:
        file.write(content(777))
    for n in range(100):
        with open(os.path.join(given, 'folder', f'entry {n}'), 'w', encoding='ascii') as file:
            file.write(f'{n}\n')
    return tree


def numbers_of(tree):
    lines = []
    for top, _, files in os.walk(tree):
        for name in files:
            path = os.path.join(top, name)
            if not os.path.islink(path):
                with open(path, 'rb') as file:
                    digest = hashlib.md5(file.read()).hexdigest()
                lines.append(f'{digest}  ./{os.path.relpath(path, tree)}')
    return sorted(lines)


def run(image, script, timeout=120):
    outcome = guest.shell(WAIT + script, options=('--qemu', _DISK.replace('@', image)),
                          timeout=timeout)
    return outcome.status, outcome.text(), outcome.errors.decode('utf-8', 'replace')


def expected_of_fat(tree):
    """What WRITE_FAT leaves, as this machine would."""
    tool('sh', '-e', '-c', 'cd "$1"; cp -r given copy; mkdir -p "New folder/deeper"; cp "$2" '
         '"New folder/Copy of a long name.text"; printf "lines\\nmore\\n" >lower.txt; '
         'mv given/300000 "New folder/moved and renamed"; rm given/4095; '
         'dd if=given/65536 of=part bs=1000 skip=3 count=20; '
         'dd if=given/4096 of=part bs=100 seek=7 count=5 conv=notrunc; truncate -s 50000 part; '
         'for i in $(seq 1 2 59); do echo $i >"New folder/deeper/entry number $i"; done',
         'sh', tree, _LONG)
    return numbers_of(tree)


def fat_is_read_and_written(folder, bits, size):
    tree = make_tree(folder)
    image = os.path.join(folder, 'disk')
    with open(image, 'wb') as file:
        file.truncate(size)
    tool('mkfs.vfat', '-F', str(bits), image)
    tool('mcopy', '-s', '-i', image, os.path.join(tree, 'given'), os.path.join(tree, _LONG), '::')
    status, text, errors = run(image, r'''
mount -t vfat -o utf8 /dev/vda /mnt || exit 8
cd /mnt
''' + NUMBERS + '\n' + WRITE_FAT % _LONG + 'echo ---\n' + NUMBERS + r'''
cd / && umount /mnt || exit 7''')
    check_equal(status, 0, f'the status, with {errors[-300:]!r}')
    before, after = text.split('---\n')
    check_equal(sorted(before.splitlines()), numbers_of(tree), 'what was given')
    expected = expected_of_fat(tree)
    check_equal(sorted(after.splitlines()), expected, 'what the guest wrote, there')
    tool('fsck.vfat', '-n', image)
    out = os.path.join(folder, 'out')
    os.mkdir(out)
    tool('mcopy', '-s', '-n', '-i', image, '::*', out)
    check_equal(numbers_of(out), expected, 'what the guest wrote, here')


def fat16_is_read_and_written(folder):
    fat_is_read_and_written(folder, 16, 16 << 20)


def fat32_is_read_and_written(folder):
    fat_is_read_and_written(folder, 32, 64 << 20)


LIST = r'''busybox find . | busybox sort | while read -r n; do
	busybox stat -c '%a %u %g %Y %F %s %n' "$n"; done | busybox grep -v ' directory '
	busybox find . -type l | busybox sort | while read -r n; do busybox readlink "$n"; done'''


def rock_ridge_is_what_it_was_made_of(folder):
    tree = make_tree(folder)
    os.symlink('../given/4096', os.path.join(tree, 'given', 'link'))
    os.symlink('/'.join(['x' * 100] * 4), os.path.join(tree, 'long link'))
    os.chmod(os.path.join(tree, 'given', '1'), 0o4750)
    os.chown(os.path.join(tree, 'given', '1'), 12, 34)
    os.utime(os.path.join(tree, 'given', '0'), (1e9, 1e9))
    deep = os.path.join(tree, *'123456789abc')
    os.makedirs(deep)
    with open(os.path.join(deep, 'deep'), 'w', encoding='ascii') as file:
        file.write('deep\n')
    image = os.path.join(folder, 'disk')
    tool('xorriso', '-as', 'mkisofs', '-quiet', '-R', '-o', image, tree)
    status, text, errors = run(image, r'''
mount -t iso9660 -o ro /dev/vda /mnt || exit 8
cd /mnt
''' + NUMBERS + '\necho ---\n' + LIST + r'''
echo x > new 2>/dev/null && exit 6
rm given/1 2>/dev/null && exit 5
cd / && umount /mnt || exit 7''')
    check_equal(status, 0, f'the status, with {errors[-300:]!r}')
    numbers, listed = text.split('---\n')
    check_equal(sorted(numbers.splitlines()), numbers_of(tree), 'the files')
    here = subprocess.run(['sh', '-c', 'cd "$1"; ' + LIST, 'sh', tree], capture_output=True,
                          text=True, check=True).stdout
    check_equal(sorted(listed.splitlines()), sorted(here.splitlines()), 'their attributes')


def joliet_has_its_names(folder):
    tree = make_tree(folder)
    image = os.path.join(folder, 'disk')
    tool('xorriso', '-as', 'mkisofs', '-quiet', '-J', '-joliet-long', '-o', image, tree)
    status, text, errors = run(image, r'''
mount -t iso9660 -o ro,norock /dev/vda /mnt || exit 8
cd /mnt
''' + NUMBERS + '\ncd / && umount /mnt || exit 7')
    check_equal(status, 0, f'the status, with {errors[-300:]!r}')
    check_equal(sorted(text.splitlines()), numbers_of(tree), 'the files')


def make_ext4(folder, *options):
    image = os.path.join(folder, 'disk')
    with open(image, 'wb'):
        pass
    tool('mke2fs', '-q', '-F', '-t', 'ext4', *options, image, '64M')
    return image


def contents_go_through_the_journal(folder):
    image = make_ext4(folder, '-J', 'size=4')
    status, _, errors = run(image, r'''
mount -t ext4 -o data=journal /dev/vda /mnt || exit 8
cd /mnt
cp /bin/busybox a && busybox cmp a /bin/busybox || exit 1
dd if=/bin/busybox of=b bs=64k oflag=direct conv=fsync 2>/dev/null
dd if=/bin/busybox of=b bs=4096 conv=fsync 2>/dev/null
echo 3 > /proc/sys/vm/drop_caches
dd if=b of=c bs=1M iflag=direct 2>/dev/null
busybox cmp b /bin/busybox && busybox cmp c b || exit 2
i=0
while [ $i -lt 30 ]; do
	dd if=a of=f$i bs=10000 skip=$i count=20 2>/dev/null; [ $((i % 3)) = 0 ] && rm f$i
	i=$((i+1))
done
busybox truncate -s 1234 a
sync
mount -o remount,data=ordered /mnt 2>/dev/null && exit 6
mount -o remount,data=journal /mnt || exit 6
mount -o remount,ro /mnt && mount -o remount,rw /mnt || exit 3
echo after > a
cd / && umount /mnt || exit 7
mount -t ext4 /dev/vda /mnt && busybox cmp /mnt/b /bin/busybox || exit 4
[ "$(cat /mnt/a)" = after ] && umount /mnt || exit 5''')
    check_equal(status, 0, f'the status, with {errors[-300:]!r}')
    tool('e2fsck', '-fn', image)


def quotas_are_refused(folder):
    """As by a Linux without them: nobody who asks for limits may believe that they hold."""
    image = make_ext4(folder)
    status, _, errors = run(image, r'''
for o in quota usrquota grpquota prjquota usrjquota=aquota.user jqfmt=vfsv1 data=unheard_of; do
	mount -t ext4 -o $o /dev/vda /mnt 2>/dev/null && exit 1
done
mount -t ext4 -o noquota /dev/vda /mnt && umount /mnt || exit 2''')
    check_equal(status, 0, f'the status, with {errors[-300:]!r}')
    image = make_ext4(folder, '-O', 'quota')
    status, _, errors = run(image, r'''
mount -t ext4 -o ro /dev/vda /mnt || exit 1
umount /mnt || exit 2
mount -t ext4 /dev/vda /mnt || exit 0
echo x >/mnt/new 2>/dev/null && exit 3
umount /mnt || exit 4''')
    check_equal(status, 0, f'with the feature: the status, with {errors[-300:]!r}')
    tool('e2fsck', '-fn', image)


def _in_a_folder(case):
    def run_case():
        with tempfile.TemporaryDirectory(prefix='hati-file-systems-') as folder:
            case(folder)

    run_case.__name__ = case.__name__
    return run_case


guest.main([_in_a_folder(case) for case in (
    fat16_is_read_and_written, fat32_is_read_and_written, rock_ridge_is_what_it_was_made_of,
    joliet_has_its_names, contents_go_through_the_journal, quotas_are_refused)])
