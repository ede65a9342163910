#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 300
"""Roots on disk images: what the launcher and init do with them (docs/guide/images.md)."""

import functools
import os
import subprocess
import tempfile

import guest

MAKE_EXT4 = os.path.join(guest.TOP, 'image/make-ext4.sh')
ROOT_ARCHIVE = os.path.join(guest.BUILD_FOLDER, 'image/root.cpio')


class Images:
    """A root of busybox as a folder, and as images of it, in a temporary folder."""

    def __init__(self, folder):
        self._folder = folder
        self.root = os.path.join(folder, 'root')
        os.mkdir(self.root)
        with open(ROOT_ARCHIVE, 'rb') as archive:
            subprocess.run([guest.BUSYBOX, 'cpio', '-idm'], stdin=archive, cwd=self.root,
                           stderr=subprocess.DEVNULL, check=True)

    def bare(self, name='bare.img', size='64M'):
        """A new image that is a file system."""
        path = os.path.join(self._folder, name)
        subprocess.run([MAKE_EXT4, self.root, path, size], stdout=subprocess.DEVNULL, check=True)
        return path


def run(image, script, *options):
    return guest.shell(script, options=('--root', image, *options))


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


def main():
    with tempfile.TemporaryDirectory(prefix='hati-root-') as folder:
        images = Images(folder)
        cases = [missing_device_is_named, unknown_file_system_is_named, root_is_changed]
        guest.main([functools.update_wrapper(functools.partial(case, images), case)
                    for case in cases])


main()
