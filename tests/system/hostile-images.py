#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 3000
"""Disks whose file systems lie, mounted in the guest.

tests/hostile-images makes them; they are partitions of a few disks here, and some are files behind
loop devices. Each is mounted, walked, read, changed and unmounted by programs. Whatever they say
to that: each step ends, no server dies, and a good file system is good afterwards.

HATI_HOSTILE_MOUNTS: how many (default 20); HATI_HOSTILE_SEED: which.
"""

import collections
import os
import re
import subprocess
import tempfile

import guest
from guest import check, check_equal

N_IMAGES = int(os.environ.get('HATI_HOSTILE_MOUNTS', '20'))
SEED = os.environ.get('HATI_HOSTILE_SEED', '1')

MAKER = os.path.join(guest.TOP, 'build/host/tests/hostile-images/hostile-images')
MIB = 1 << 20
SLOT = 4 * MIB
SECTOR = 512
N_ON_A_DISK = 100  # partitions
STEP_SECONDS = 60  # what a step may take; none should take one

# Arguments: the type, the partition, and whether it is copied and used as a file.
USE = r'''
type=$1 device=$2 is_file=$3 out=/tmp/out
step() {
	timeout -s KILL @STEP@ "$@" >$out 2>&1
	s=$?
	[ $s = 137 ] && echo "STUCK: $*"
	return $s
}
if [ $is_file = 1 ]; then
	dd if=$device of=/tmp/file bs=64k 2>/dev/null
	device=$(losetup -f)
	losetup $device /tmp/file || { echo "no loop device"; exit; }
fi
if [ $type = table ]; then
	step fdisk -l $device
	mounted=0
elif step mount -t $type $device /mnt; then
	mounted=1
	cd /mnt
	step busybox find . -xdev
	head -n 60 $out >/tmp/names
	while read -r name; do
		step busybox stat "$name"
		[ -f "$name" ] && step dd if="$name" of=/dev/null bs=64k count=40
		[ -d "$name" ] && step busybox ls -la "$name"
	done </tmp/names
	step mkdir new-folder
	step cp /etc/passwd new-folder/passwd
	step cp -r d copy-of-d
	step dd if=/dev/zero of=f bs=1000 count=70 conv=notrunc
	step busybox truncate -s 5000 d/g
	step mv small new-folder/small
	step mv many moved
	step ln f linked
	step ln -s f symbolic
	head -n 12 /tmp/names | tail -n 6 | while read -r name; do step rm -f "$name"; done
	step rm -r moved
	step sync
	cd /
	i=0 # timeout's watchers, whose folder this was, look once a second whether they may go
	until step umount /mnt; do
		i=$((i+1))
		[ $i = 60 ] && { echo "not unmounted: $(cat $out)"; umount -l /mnt; break; }
		busybox sleep 0.1
	done
else
	mounted=0
fi
[ $is_file = 1 ] && step losetup -d $device
echo "used $mounted"
'''

ALL = r'''
for disk in @DISKS@; do
	i=0
	while [ ! -b /dev/$disk ]; do i=$((i+1)); [ $i = 600 ] && exit 9; busybox sleep 0.1; done
done
mkdir -p /mnt
while read -r number type device is_file; do
	i=0
	while [ ! -b $device ]; do i=$((i+1)); [ $i = 600 ] && exit 8; busybox sleep 0.1; done
	echo "case $number"
	/bin/sh /use $type $device $is_file
done </list
echo "stuck: $(busybox ps -o stat,comm | busybox grep -c '^D')"
mount -t ext4 @GOOD@ /mnt || exit 7
cat /mnt/word && echo more >/mnt/more && cat /mnt/more
umount /mnt && echo the end
'''


def make_images(folder):
    """The images one after the other in a file, and [(number, type, what it is)]."""
    path = os.path.join(folder, 'images')
    result = subprocess.run([MAKER, '--write', path, str(SLOT)], capture_output=True, text=True,
                            env=dict(os.environ, HATI_HOSTILE_IMAGES=str(N_IMAGES),
                                     HATI_HOSTILE_SEED=SEED), check=False)
    check_equal(result.returncode, 0, f'making them ({result.stdout[-300:]})')
    lines = [line.split(' ', 2) for line in result.stdout.splitlines()]
    return path, [(int(number), kind, what) for number, kind, what in lines]


def make_disk(folder, name, images, first, n_images):
    """A disk whose partitions are images."""
    path = os.path.join(folder, name)
    table = 'label: gpt\n' + ''.join(
        f'start={(MIB + i * SLOT) // SECTOR}, size={SLOT // SECTOR}\n' for i in range(n_images))
    with open(path, 'wb') as disk, open(images, 'rb') as file:
        disk.truncate(2 * MIB + n_images * SLOT)
        for i in range(n_images):
            file.seek((first + i) * SLOT)
            disk.seek(MIB + i * SLOT)
            disk.write(file.read(SLOT))
    subprocess.run(['sfdisk', '-q', '--no-reread', path], input=table, text=True, check=True)
    return path


def make_good_disk(folder):
    path, tree = os.path.join(folder, 'good'), os.path.join(folder, 'tree')
    os.mkdir(tree)
    with open(os.path.join(tree, 'word'), 'w', encoding='ascii') as file:
        file.write('a good word\n')
    subprocess.run(['mke2fs', '-q', '-F', '-t', 'ext4', '-d', tree, path, '8M'], check=True)
    return path


def qemu_words(paths):
    return ' '.join(f'-drive file={path},if=none,id=d{i},format=raw,cache=unsafe '
                    f'-device virtio-blk-pci,addr={0x10 + i:#x},drive=d{i}'
                    for i, path in enumerate(paths))


def write_text(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, 'w', encoding='ascii') as file:
        file.write(text)
    return path


def use_all(folder):
    """Boots once; the kernel's log, what the guest has said, its status, and the images."""
    path, images = make_images(folder)
    disks = [make_disk(folder, f'disk-{first}', path, first, min(N_ON_A_DISK, N_IMAGES - first))
             for first in range(0, N_IMAGES, N_ON_A_DISK)]
    os.unlink(path)
    names = [f'vd{chr(ord("a") + i)}' for i in range(len(disks) + 1)]
    lines = [f'{number} {kind} /dev/{names[number // N_ON_A_DISK]}{number % N_ON_A_DISK + 1} '
             f'{int(number % 5 == 4)}\n' for number, kind, _ in images]
    added = {'list': ''.join(lines), 'use': USE.replace('@STEP@', str(STEP_SECONDS))}
    words = [word for name, text in added.items()
             for word in ('--add', f'{write_text(folder, name, text)}:/{name}')]
    script = ALL.replace('@DISKS@', ' '.join(names)).replace('@GOOD@', f'/dev/{names[-1]}')
    log = os.path.join(folder, 'log')
    outcome = guest.shell(script, timeout=120 + 8 * N_IMAGES, options=(
        '--qemu', qemu_words([*disks, make_good_disk(folder)]), '--log', log, '--smp', '2',
        '--memory', '512M', *words))
    with open(log, encoding='utf-8', errors='replace') as file:
        return file.read(), outcome.text(), outcome.status, images


def every_step_ends_and_nobody_dies():
    print(f'# seed {SEED}, {N_IMAGES} images')
    with tempfile.TemporaryDirectory(prefix='hati-hostile-') as folder:
        log, text, status, images = use_all(folder)
    cases = text.split('case ')[1:]
    n_mounted, n_there = collections.Counter(), collections.Counter()
    for case in cases:
        number = int(case.split()[0])
        n_there[images[number][1]] += 1
        n_mounted[images[number][1]] += 'used 1' in case
        if 'STUCK' in case or 'not unmounted' in case or 'used' not in case:
            print(f'# {images[number]}: {case[:300]!r}')
    deaths = re.findall(r'.*(?:panic|assertion|vector \d+, error code|has ended).*', log)
    deaths = [line for line in deaths if 'ram-disk' not in line]  # it has no device
    for line in deaths[:20]:
        print('#', line)
    for kind, number in n_there.items():
        print(f'# {kind}: {n_mounted[kind]} of {number} mounted')
    check('the end' in text, f'the guest has come to {text[-300:]!r}, {status}')
    check_equal(len(cases), N_IMAGES, 'cases')
    check_equal(text.count('used '), N_IMAGES, 'cases that ended')
    check('STUCK' not in text and 'not unmounted' not in text, 'a step was stuck')
    check('stuck: 0' in text and 'a good word\nmore\nthe end' in text,
          f'in the end {text[-200:]!r}')
    check_equal(deaths, [], 'deaths')
    check(all(n_mounted[kind] >= number // 3 for kind, number in n_there.items()
              if kind != 'table'), 'too few were mounted')


if __name__ == '__main__':
    guest.main([every_step_ends_and_nobody_dies])
