#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 300
"""Roots on disk images: what the launcher and init do with them (docs/guide/images.md)."""

import functools
import os
import shutil
import subprocess
import tempfile

import guest

MAKE_EXT4 = os.path.join(guest.TOP, 'image/make-ext4.sh')
ROOT_ARCHIVE = os.path.join(guest.BUILD_FOLDER, 'image/root.cpio')


FIRST_MIB = 2   # where the root begins on a disk with partitions
TABLE = f"""label: gpt
start=1M, size=1M, name=other
start={FIRST_MIB}M, size=64M, name=root, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709
"""


class Images:
    """A root of busybox as a folder, and as images of it, in a temporary folder."""

    def __init__(self, folder):
        self._folder = folder
        self.root = os.path.join(folder, 'root')
        os.mkdir(self.root)
        with open(ROOT_ARCHIVE, 'rb') as archive:
            subprocess.run([guest.BUSYBOX, 'cpio', '-idm'], stdin=archive, cwd=self.root,
                           stderr=subprocess.DEVNULL, check=True)

    def bare(self, name='bare.img'):
        """A new image that is a file system."""
        path = os.path.join(self._folder, name)
        subprocess.run([MAKE_EXT4, self.root, path, '64M'], stdout=subprocess.DEVNULL, check=True)
        return path

    def parted(self):
        """A new image with a GPT, on whose second partition the root is."""
        path = os.path.join(self._folder, 'parted.img')
        with open(path, 'wb') as disk:
            disk.truncate((FIRST_MIB + 65) << 20)
        subprocess.run(['/sbin/sfdisk', '--quiet', path], input=TABLE.encode(), check=True)
        with open(path, 'r+b') as disk, open(self.bare('part.img'), 'rb') as part:
            disk.seek(FIRST_MIB << 20)
            shutil.copyfileobj(part, disk)
        return path

    def part_of(self, path):
        """The file system of such an image, as an image of its own."""
        part = os.path.join(self._folder, 'part.img')
        with open(path, 'rb') as disk, open(part, 'wb') as file:
            disk.seek(FIRST_MIB << 20)
            file.write(disk.read(64 << 20))
        return part


def run(image, script, *options):
    return guest.shell(script, options=('--root', image, *options))


def check_clean(path):
    """Linux finds nothing wrong, and has no journal to replay."""
    result = subprocess.run(['/sbin/e2fsck', '-fn', path], capture_output=True, text=True,
                            check=False)
    guest.check_equal(result.returncode, 0, f'the status of e2fsck ({result.stdout!r})')
    head = subprocess.run(['/sbin/dumpe2fs', '-h', path], capture_output=True, text=True,
                          check=True).stdout
    guest.check('needs_recovery' not in head, 'the journal was not emptied')


def contents_of(path, name):
    """The bytes of a file on an image."""
    result = subprocess.run(['/sbin/debugfs', '-R', f'cat {name}', path], capture_output=True,
                            check=True)
    return result.stdout


def missing_device_is_named(images):
    outcome = run(images.bare(), 'echo unreachable', '--append', 'root=/dev/none9')
    guest.check_equal(outcome.status, 126, 'the status')
    guest.check_equal(outcome.output, b'', 'the output')
    guest.check(b'/dev/none9' in outcome.errors, f'stderr is {outcome.errors!r}')


def unknown_file_system_is_named(images):
    outcome = run(images.bare(), 'echo unreachable', '--append', 'root=none rootfstype=nonefs')
    guest.check_equal(outcome.status, 126, 'the status')
    guest.check(b'nonefs' in outcome.errors, f'stderr is {outcome.errors!r}')


def root_is_changed(images):
    """Into a tmpfs, which --add fills: no disk is needed for it."""
    outcome = run(images.bare(), 'pwd; ls /; busybox stat -c %a%u /tmp /run /etc/shadow; '
                  'busybox cut -d" " -f1-3 /proc/mounts; busybox hostname; exit 3',
                  '--append', 'root=none rootfstype=tmpfs', '--add', f'{images.root}:/')
    lines = outcome.text().splitlines()
    guest.check_equal(outcome.status, 3, 'the status')
    for line in ('/root', 'etc', 'usr', 'bin', '17770', '7550', '6400', 'none / tmpfs',
                 'devtmpfs /dev devtmpfs', 'tmpfs /run tmpfs', 'hati'):
        guest.check(line in lines, f'{line!r} is missing: {lines}')
    guest.check('sysroot' not in lines, 'the old root is there')


NUMBERS = ''.join(f'{number}\n' for number in range(1, 100001)).encode()
WRITE = """set -e
busybox seq 100000 >/root/numbers
busybox mkdir -p /root/a/b/c
busybox cp /root/numbers /root/a/b/c/copy
busybox ln /root/numbers /root/a/link
busybox mv /root/a/b /root/moved
echo short >/root/old
busybox rm /root/old
busybox cut -d' ' -f1-4 /proc/mounts | busybox head -1
exit 5
"""


def check_written(path):
    check_clean(path)
    for name in ('/root/numbers', '/root/moved/c/copy', '/root/a/link'):
        guest.check(contents_of(path, name) == NUMBERS, f'{name} is not what was written')
    guest.check_equal(contents_of(path, '/root/old'), b'', 'the removed file')


def write_on(images, kind):
    """What is written to a bare image, and to one with partitions, is there afterwards."""
    for path, device in ((images.bare(), ''), (images.parted(), '2')):
        outcome = run(path, WRITE, '--disk', kind)
        guest.check_equal((outcome.status, outcome.errors), (5, b''), 'status and errors')
        guest.check(f'{device} / ext4 rw,relatime\n' in outcome.text(), outcome.text())
        check_written(images.part_of(path) if device else path)


def virtio_keeps_what_is_written(images):
    write_on(images, 'virtio')


def nvme_keeps_what_is_written(images):
    write_on(images, 'nvme')


def ahci_keeps_what_is_written(images):
    write_on(images, 'ahci')


def ide_keeps_what_is_written(images):
    write_on(images, 'ide')


def snapshot_leaves_the_image(images):
    path = images.bare()
    with open(path, 'rb') as file:
        before = file.read()
    outcome = run(path, 'echo new >/root/new; busybox cat /root/new', '--snapshot')
    guest.check_equal((outcome.status, outcome.output), (0, b'new\n'), 'status and output')
    with open(path, 'rb') as file:
        guest.check(file.read() == before, 'the image has changed')


def root_is_found_by_its_id(images):
    outcome = run(images.parted(), 'busybox head -1 /proc/mounts', '--append', 'root=LABEL=hati')
    guest.check(outcome.text().startswith('/dev/'), f'{outcome.text()!r} {outcome.errors!r}')
    guest.check_equal(outcome.status, 0, 'the status')


def read_only_root_is_read_only(images):
    path = images.bare()
    outcome = run(path, 'echo x >/root/x', '--append', 'ro')
    guest.check(b'Read-only file system' in outcome.errors, f'stderr is {outcome.errors!r}')
    check_clean(path)


def added_files_are_on_the_disk(images):
    """Through a link of the root, into a folder that keeps its mode, as a file that was there."""
    path = images.bare()
    outcome = run(path, '/bin/added 1; busybox stat -c %a /tmp /new /tmp/passwd',
                  '--add', f'{guest.BUSYBOX}:/bin/added', '--add', '/etc/passwd:/tmp/passwd',
                  '--add', '/etc/passwd:/etc/passwd', '--add', '/etc/passwd:/new/passwd')
    guest.check_equal(outcome.output, b'1777\n755\n644\n', f'the output ({outcome.errors!r})')
    check_clean(path)
    with open('/etc/passwd', 'rb') as file:
        guest.check_equal(contents_of(path, '/etc/passwd'), file.read(), '/etc/passwd')


def init_can_be_another_program(images):
    path = images.bare()
    with tempfile.NamedTemporaryFile('w', delete=False) as script:
        script.write('#!/bin/sh\n/bin/busybox echo $$ >/root/pid\n'
                     '/bin/busybox mount -o remount,ro /\nexec /bin/busybox poweroff -f\n')
    os.chmod(script.name, 0o755)
    outcome = run(path, '', '--add', f'{script.name}:/sbin/other', '--append', 'init=/sbin/other')
    os.unlink(script.name)
    guest.check_equal((outcome.status, outcome.errors), (0, b''), 'status and errors')
    check_clean(path)
    guest.check_equal(contents_of(path, '/root/pid'), b'1\n', 'the number of the process')


def other_disks_are_unmounted(images):
    path, other = images.bare(), images.bare('other.img')
    outcome = run(path, 'busybox mkdir "/mnt/a b"; busybox mount -t ext4 /dev/vdb "/mnt/a b"; '
                  'cd "/mnt/a b"; echo other >file; busybox sleep 1000 <file &', '--qemu',
                  f'-drive file={other},if=none,id=other,format=raw '
                  '-device virtio-blk-pci,drive=other')
    guest.check_equal((outcome.status, outcome.errors), (0, b''), 'status and errors')
    check_clean(path)
    check_clean(other)
    guest.check_equal(contents_of(other, '/file'), b'other\n', 'the file')


def nothing_left_behind_keeps_the_root_busy(images):
    """Processes, removed files that they have open, and names that were not in removed folders."""
    path = images.bare()
    outcome = run(path, """
        echo text >/root/held
        busybox sleep 1000 </root/held >/root/output 2>&1 &
        (trap '' TERM; while :; do busybox sleep 1; done) >/root/stubborn 2>&1 &
        busybox mkdir /root/folder /root/empty /root/other
        busybox cat /root/folder/none /root/other/none 2>/dev/null
        busybox rmdir /root/folder
        busybox mv -T /root/empty /root/other
        busybox rm /root/held
        cd /root/other
        """)
    guest.check_equal((outcome.status, outcome.errors), (0, b''), 'status and errors')
    check_clean(path)


def main():
    cases = [missing_device_is_named, unknown_file_system_is_named, root_is_changed,
             virtio_keeps_what_is_written, nvme_keeps_what_is_written, ahci_keeps_what_is_written,
             ide_keeps_what_is_written, snapshot_leaves_the_image, root_is_found_by_its_id,
             read_only_root_is_read_only, added_files_are_on_the_disk,
             init_can_be_another_program, other_disks_are_unmounted,
             nothing_left_behind_keeps_the_root_busy]
    with tempfile.TemporaryDirectory(prefix='hati-root-') as folder:
        images = Images(folder)
        guest.main([functools.update_wrapper(functools.partial(case, images), case)
                    for case in cases])


main()
