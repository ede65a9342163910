#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 600
"""Folders that the host shares with the guest (`hati run --volume`): what either does, the other
finds there."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

import guest
from guest import check, check_equal

SIZES = (0, 1, 511, 4095, 4096, 4097, 65536, 300000, 600001, 5 << 20)
N_MANY = 2000
# Programs of tests/linux that are about files, and cases of theirs that 9P or QEMU's server of it
# cannot do: two files cannot be exchanged, there is no fallocate and no file without a name, and
# without `mapped` there are no special files.
PROGRAMS = {
    'exec-at': (),
    'files': ('rename_rules', 'umask_applies', 'fallocate_keeps_to_the_limit'),
    'limits': (),
    'locks': (),
}

NUMBERS = 'busybox find . -type f -exec busybox md5sum {} + | busybox sort -k 2'


def content(size):
    block = hashlib.sha256(b'%d' % size).digest() * 128
    return (block * (size // len(block) + 1))[:size]


def write(folder, name, data):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as file:
        file.write(data)
    return path


def read(folder, name):
    with open(os.path.join(folder, name), 'rb') as file:
        return file.read()


def make_tree(folder, n_many=50):
    for size in SIZES:
        write(folder, f'files/{size}', content(size))
    write(folder, 'a/b/c/d/deep', b'deep\n')
    os.symlink('../files/4097', os.path.join(folder, 'a/link'))
    os.symlink('x' * 1000, os.path.join(folder, 'a/long'))
    os.link(os.path.join(folder, 'files/511'), os.path.join(folder, 'a/hard'))
    for number in range(n_many):
        write(folder, f'many/file-{number:04}', b'%d\n' % number)
    os.chmod(os.path.join(folder, 'files/1'), 0o4751)
    os.utime(os.path.join(folder, 'files/511'), (1000000000, 981173106))


def numbers_of(folder):
    """What NUMBERS prints of a folder of this machine."""
    lines = []
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            if not os.path.islink(path):
                with open(path, 'rb') as file:
                    digest = hashlib.md5(file.read()).hexdigest()
                lines.append(f'{digest}  ./{os.path.relpath(path, folder)}')
    return sorted(lines, key=lambda line: line[34:].encode())


def run(folder, script, *options, timeout=120):
    """Runs a script with the folder at /mnt, which is where it starts."""
    outcome = guest.shell(f'cd /mnt || exit 99\n{script}',
                          options=('--volume', f'{folder}:/mnt', *options), timeout=timeout)
    check_equal(outcome.status, 0, f'the status, with {outcome.errors[-400:]!r}, '
                                   f'{outcome.output[-200:]!r}')
    return outcome.text()


def what_the_host_has_is_there(folder):
    make_tree(folder, N_MANY)
    text = run(folder, f'''
        {NUMBERS}
        echo @
        busybox ls many | busybox wc -l
        busybox ls many | busybox md5sum
        busybox stat -c '%a %h %s %Y' files/1 files/511 files
        busybox readlink a/long | busybox wc -c
        busybox md5sum < a/link
        busybox stat -c '%i' a/hard files/511 | busybox uniq | busybox wc -l
        busybox stat -f -c '%S %l' .
        [ -d a/b/c/d/.. ] && [ ! -e a/nothing ] && [ -L a/long ] || exit 2
        busybox grep '^volume0 /mnt 9p rw' /proc/mounts || exit 3''')
    sums, rest = text.split('@\n')
    lines = rest.splitlines()
    names = ''.join(f'file-{number:04}\n' for number in range(N_MANY)).encode()
    check_equal(sums.splitlines(), numbers_of(folder), 'what is read')
    check_equal(lines[0], str(N_MANY), 'names in many')
    check_equal(lines[1].split()[0], hashlib.md5(names).hexdigest(), 'these names')
    check_equal(lines[2], f'4751 1 1 {int(os.stat(folder + "/files/1").st_mtime)}', 'files/1')
    check_equal(lines[3], '644 2 511 981173106', 'files/511')
    check_equal(lines[5], '1001', 'the long link')
    check_equal(lines[6].split()[0], hashlib.md5(content(4097)).hexdigest(), 'behind a link')
    check_equal(lines[7], '1', 'numbers of one file')
    check_equal(lines[8], f'{os.statvfs(folder).f_bsize} 255', 'statfs')


def what_the_guest_does_is_there(folder):
    make_tree(folder)
    run(folder, r'''
        set -e
        busybox mkdir -p new/a/b
        for i in 1 2 3 4 5; do echo "line $i" >> new/lines; done
        busybox seq 1 60 | while read n; do echo $n > new/a/file-$n; done
        busybox seq 1 2 60 | while read n; do rm new/a/file-$n; done
        mv new/a/file-2 new/a/b/moved
        ln new/a/file-4 new/a/b/linked
        ln -s ../file-4 new/a/b/symbolic
        echo over > new/over; echo under > new/under; mv new/over new/under
        dd if=/dev/zero of=new/sparse bs=1 count=1 seek=1000000 2>/dev/null
        dd if=files/5242880 of=new/part bs=1000 skip=7 count=333 2>/dev/null
        dd if=files/65536 of=new/part bs=500 seek=3 count=2 conv=notrunc 2>/dev/null
        dd if=files/5242880 of=new/large bs=1M 2>/dev/null
        cp files/300000 new/cut
        busybox truncate -s 12345 new/cut
        busybox truncate -s 20000 new/cut
        chmod 4751 new/lines
        chmod 444 new/part
        touch -d '2001-02-03 04:05:06' new/large
        rm -r many
        rmdir new/a 2>/dev/null && exit 2
        printf '#!/bin/sh\necho "from a script: $1"\n' > new/script
        chmod 755 new/script
        [ "$(new/script x)" = "from a script: x" ]
        cp /bin/busybox new/busybox
        [ "$(new/busybox echo run)" = run ]
        exec 3> new/nameless; rm new/nameless; echo text >&3; exec 3>&-
        sync''')
    new = os.path.join(folder, 'new')
    check_equal(read(new, 'lines'), b''.join(b'line %d\n' % n for n in range(1, 6)), 'lines')
    check_equal(len(os.listdir(new + '/a')), 30, 'files in new/a')
    check_equal(read(new, 'a/b/moved'), b'2\n', 'moved')
    check_equal(os.stat(new + '/a/b/linked').st_ino, os.stat(new + '/a/file-4').st_ino, 'linked')
    check_equal(os.readlink(new + '/a/b/symbolic'), '../file-4', 'symbolic')
    check_equal(read(new, 'under'), b'over\n', 'what was replaced')
    check(not os.path.exists(new + '/over'), 'a name that has moved is there')
    check_equal(read(new, 'sparse'), bytes(1000001), 'sparse')
    part = bytearray(content(5 << 20)[7000:340000])
    part[1500:2500] = content(65536)[:1000]
    check(read(new, 'part') == part, 'part is not what it should be')
    check(read(new, 'large') == content(5 << 20), 'large is not what it should be')
    check(read(new, 'cut') == content(300000)[:12345] + bytes(7655), 'cut is not right')
    check_equal(os.stat(new + '/lines').st_mode & 0o7777, 0o4751, 'a mode')
    check_equal(os.stat(new + '/part').st_mode & 0o7777, 0o444, 'a mode')
    check_equal(int(os.stat(new + '/large').st_mtime), 981173106, 'a time')
    check(not os.path.exists(folder + '/many'), 'what was removed is there')
    check(not os.path.exists(new + '/nameless'), 'what was removed while it was open is there')


# Each side waits for a file of the other one's.
WAIT = r'''
await() {
    i=0
    while [ ! -e "$1" ]; do i=$((i+1)); [ $i = 600 ] && exit 98; busybox sleep 0.05; done
}
'''

SEES = WAIT + r'''
set -e
exec 3< changed 4< directory/inside
[ "$(cat changed)" = before ] && [ "$(cat kept)" = kept ] && [ -e gone ] && [ ! -e made ]
[ "$(busybox ls directory)" = inside ] && [ "$(busybox stat -c %a kept)" = 644 ]
[ "$(./busybox echo one)" = one ]
cd directory; busybox sleep 1000 & sleeper=$!; cd ..
echo > guest-1
await host-1
[ "$(cat changed)" = "afterwards" ]
[ "$(busybox stat -c %s changed)" = 11 ]
[ "$(cat <&3)" = "afterwards" ]
[ ! -e gone ]
[ "$(cat made)" = made ]
[ "$(cat replaced)" = new ]
[ "$(busybox stat -c %a kept)" = 600 ]
[ "$(busybox ls directory)" = "$(printf 'inside\nmore')" ]
[ ! -e old-name ] && [ "$(cat new-name)" = name ]
[ "$(./busybox)" = "another program" ]
[ "$(busybox readlink link)" = there ]
[ "$(cat deep/er/file)" = moved ]
busybox kill $sleeper
echo > guest-2
await host-2
[ ! -e directory ] && [ "$(cat <&4)" = inside ]
echo appended >> log
echo > guest-3
'''


def changes_of_the_host_are_seen(folder):
    for name, text in (('changed', 'before\n'), ('kept', 'kept\n'), ('gone', 'x'), ('log', ''),
                       ('directory/inside', 'inside\n'), ('replaced', 'old\n'),
                       ('old-name', 'name\n'), ('from/er/file', 'moved\n')):
        write(folder, name, text.encode())
    os.symlink('here', folder + '/link')
    shutil.copy('/bin/busybox', folder + '/busybox')   # as the guest's root has it

    def is_there(name):
        return lambda: os.path.exists(os.path.join(folder, name))

    with guest.Boot('--volume', f'{folder}:/mnt',
                    command=('busybox', 'sh', '-c',
                             f'cd /mnt; ({SEES}); echo "status $?"')) as boot:
        check(boot.wait_until(is_there('guest-1')), f'no begin: {boot.output()}')
        write(folder, 'changed', b'afterwards\n')
        os.remove(folder + '/gone')
        write(folder, 'made', b'made\n')
        write(folder, 'other', b'new\n')
        os.rename(folder + '/other', folder + '/replaced')
        os.chmod(folder + '/kept', 0o600)
        write(folder, 'directory/more', b'')
        os.rename(folder + '/old-name', folder + '/new-name')
        os.rename(folder + '/from', folder + '/deep')
        os.remove(folder + '/link')
        os.symlink('there', folder + '/link')
        with open(folder + '/busybox', 'r+b') as file:   # the same file, other contents
            file.truncate(0)
            file.write(b'#!/bin/sh\necho another program\n')
        write(folder, 'host-1', b'')
        check(boot.wait_until(is_there('guest-2')), f'no changes: {boot.output()}')
        shutil.rmtree(folder + '/directory')
        write(folder, 'host-2', b'')
        check(boot.wait_until(is_there('guest-3')), f'no end: {boot.output()}')
        boot.wait_until(lambda: 'status' in boot.output())
        check_equal(boot.output().strip(), 'status 0', 'the output')
    check_equal(read(folder, 'log'), b'appended\n', 'what was appended')


def files_are_what_they_must_be(folder):
    """fsx in one file by reads, writes and mappings, then random trees of four processes."""
    disk = os.path.join(guest.BUILD_FOLDER, 'tests/disk')
    run(folder, '/fsx f 5 1200 >&2 || exit 1; mkdir t; /trees /mnt/t 3 300 4 >&2 || exit 2',
        '--add', f'{disk}/fsx:/fsx', '--add', f'{disk}/trees:/trees', timeout=200)


def names_are_made_while_others_look_them_up(folder):
    """Every path leads through a directory that all of them use."""
    text = run(folder, r'''
        busybox mkdir -p a/b
        work() {
            i=0
            while [ $i -lt 80 ]; do
                echo $1 > a/b/$1-$i && [ "$(busybox cat a/b/$1-$i)" = $1 ] || echo "bad: $1-$i"
                i=$((i+1))
            done
        }
        for p in 1 2 3 4 5 6; do work $p & done; wait
        busybox ls a/b | busybox wc -l''', '--smp', '4')
    check_equal(text.splitlines(), ['480'], 'what is said')
    check_equal({read(folder, f'a/b/{name}') for name in os.listdir(folder + '/a/b')},
                {b'%d\n' % number for number in range(1, 7)}, 'what is there')


def programs_for_files_find_what_they_expect(folder):
    tests = os.path.join(guest.BUILD_FOLDER, 'tests/linux')
    more = [word for name in PROGRAMS for word in ('--add', f'{tests}/{name}-gnu:/t/{name}')]
    os.chmod(folder, 0o1777)
    outcome = guest.shell('for p in ' + ' '.join(PROGRAMS) + r'''; do
        echo "@$p"; mkdir -m 777 /tmp/$p; cd /tmp/$p; /t/$p; cd /tmp; rm -rf /tmp/$p; done''',
                          options=('--volume', f'{folder}:/tmp', *more), timeout=200)
    expected = [case for cases in PROGRAMS.values() for case in cases]
    bad = [line for line in outcome.text().splitlines() if line.startswith('not ok')]
    wrong = [line for line in bad if line.split()[2].rstrip(':') not in expected]
    check(not wrong, '; '.join(wrong))
    check_equal(outcome.text().count('@'), len(PROGRAMS), 'programs')


def two_volumes_and_their_options(folder):
    one, two, three = (os.path.join(folder, name) for name in ('one', 'two', 'three'))
    for path in (one, two, three):
        os.mkdir(path)
    make_tree(one)
    outcome = guest.shell(r'''
        set -e
        cd /
        cp -a /v/one /v/two/copy
        cd /v/one; busybox find . -type f -exec busybox md5sum {} + | busybox sort > /one
        cd /v/two/copy; busybox find . -type f -exec busybox md5sum {} + | busybox sort > /two
        busybox cmp /one /two
        [ "$(busybox readlink a/link)" = ../files/4097 ]
        (echo x > /v/one/x) 2>/dev/null && exit 1
        rm /v/one/a/hard 2>/dev/null && exit 2
        cd /v/three                       # mapped: owners and special files, also without rights
        echo x > file; chown 12:34 file; ln -s file link; busybox mkfifo fifo; mknod null c 1 3
        [ "$(busybox stat -c %u:%g file)" = 12:34 ] && [ "$(cat link)" = x ]
        [ -p fifo ] && [ "$(busybox stat -c %t:%T null)" = 1:3 ]
        echo x > null
        cd /
        umount /v/two
        [ ! -e /v/two/copy ]
        mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,msize=65536 volume1 /v/two
        [ -e /v/two/copy/a/b/c/d/deep ]
        busybox cmp /v/two/copy/files/5242880 /v/one/files/5242880
        umount /v/two
        set +e
        for o in trans=tcp version=9p2000.u cache=some access=nobody msize=4095 msize=x \
            heard_of=no posixacl; do
            mount -t 9p -o $o volume1 /v/two 2>/dev/null && exit 3
        done
        mount -t 9p -o trans=virtio nothing /v/two 2>&1 | busybox grep -q 'No such' || exit 4
        mount -t 9p -o access=client,cache=mmap,aname=/,dfltuid=0 volume1 /v/two || exit 5
        mount -o remount,ro /v/two || exit 6
        (echo x > /v/two/x) 2>/dev/null && exit 7
        exit 0''', options=('--volume', f'{one}:/v/one:ro', '--volume', f'{two}:/v/two',
                            '--volume', f'{three}:/v/three:mapped'), timeout=120)
    check_equal(outcome.status, 0, f'the status, with {outcome.errors[-300:]!r}')
    check_equal(numbers_of(two + '/copy'), numbers_of(one), 'the copy')
    for name in ('files/1', 'files/511'):
        for field in ('st_mode', 'st_mtime', 'st_size'):
            check_equal(int(getattr(os.stat(f'{two}/copy/{name}'), field)),
                        int(getattr(os.stat(f'{one}/{name}'), field)), f'{field} of {name}')


def programs_of_the_host_run(folder):
    """gcc and what it needs, of this machine, by a share of all of it."""
    if not os.path.exists('/usr/bin/gcc') or not os.path.isdir('/mnt'):
        print('# this machine has no gcc')
        return
    write(folder, 'main.c', b'#include <stdio.h>\nint part(int);\n'
          b'int main(void)\n{\n\tprintf("%d\\n", part(41));\n\treturn 0;\n}\n')
    write(folder, 'part.c', b'int part(int x)\n{\n\treturn x + 1;\n}\n')
    outcome = guest.shell(r'''
        mount -t tmpfs none /host/tmp || exit 1
        busybox chroot /host /usr/bin/env PATH=/usr/bin:/bin sh -c '
            cd /mnt && gcc -O2 -c main.c && gcc -O2 -c part.c && gcc -o program main.o part.o &&
            ./program' ''', options=('--volume', '/:/host:ro', '--volume', f'{folder}:/host/mnt'),
                          timeout=300)
    check_equal((outcome.status, outcome.output), (0, b'42\n'), f'with {outcome.errors[-400:]!r}')
    result = subprocess.run([folder + '/program'], capture_output=True, check=False)
    check_equal(result.stdout, b'42\n', 'the program, on this machine')


def an_iommu_lets_it_work(folder):
    """A device that reaches memory only through its dma-space."""
    make_tree(folder)
    device = (f'-fsdev local,id=v,security_model=none,path={folder} '
              '-device virtio-9p-pci,fsdev=v,mount_tag=own,iommu_platform=on,disable-legacy=on')
    disk = os.path.join(guest.BUILD_FOLDER, 'tests/disk')
    outcome = guest.shell(f'''
        i=0
        until mount -t 9p own /mnt 2>/dev/null; do
            i=$((i+1)); [ $i = 600 ] && exit 9; busybox sleep 0.1
        done
        cd /mnt && {NUMBERS} && /fsx f 1 200 >&2''', options=(
            '--qemu-first', '-device intel-iommu', '--qemu', device, '--add', f'{disk}/fsx:/fsx'),
        timeout=120)
    check_equal(outcome.status, 0, f'the status, with {outcome.errors[-300:]!r}')
    os.remove(folder + '/f')
    check_equal(outcome.text().splitlines(), numbers_of(folder), 'what is read')


def a_server_that_dies_is_an_error(folder):
    """Who uses the share is told; then it can be mounted anew."""
    make_tree(folder)
    outcome = guest.shell('''
        cd /mnt; exec 3< files/300000
        while busybox cmp files/65536 files/65536; do :; done 2>/dev/null
        busybox cat <&3 >/dev/null 2>&1 && exit 2
        exec 3<&-; cd /
        umount -l /mnt || exit 3
        i=0
        until mount -t 9p volume0 /mnt; do
            i=$((i+1)); [ $i = 600 ] && exit 4; busybox sleep 0.1
        done
        busybox md5sum < /mnt/files/300000''', options=(
            '--volume', f'{folder}:/mnt', '--append', 'hati.runsvr=kill:ninep:4000'), timeout=60)
    check_equal(outcome.status, 0, f'the status, with {outcome.errors[-300:]!r}')
    check_equal(outcome.text().split()[0], hashlib.md5(content(300000)).hexdigest(), 'afterwards')


def wrong_options_are_told(folder):
    for volume in ('/nowhere:/mnt', folder, f'{folder}:mnt', f'{folder}:/', f'{folder}:/a/../b',
                   f'{folder}:/mnt:rw'):
        outcome = guest.run('true', options=('--volume', volume))
        check_equal(outcome.status, 2, f'the status of {volume}')
        check_equal(outcome.errors.count(b'\n'), 1, f'lines about {volume}')


def _in_a_folder(case):
    def run_case():
        with tempfile.TemporaryDirectory(prefix='hati-volume-') as folder:
            case(folder)

    run_case.__name__ = case.__name__
    return run_case


CASES = (
    what_the_host_has_is_there, what_the_guest_does_is_there, changes_of_the_host_are_seen,
    files_are_what_they_must_be, names_are_made_while_others_look_them_up,
    programs_for_files_find_what_they_expect,
    two_volumes_and_their_options, programs_of_the_host_run, an_iommu_lets_it_work,
    a_server_that_dies_is_an_error, wrong_options_are_told)

guest.main([_in_a_folder(case) for case in CASES
            if not sys.argv[1:] or case.__name__ in sys.argv[1:]])
