#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the embedded root file system: Debian's unmodified static busybox and bash.

    make-root.py --output FILE --busybox /bin/busybox --bash /bin/bash-static

The layout is Debian's: /bin, /sbin and /lib are symbolic links into /usr. Each applet of busybox
is a symbolic link to it where `busybox --list-full` puts it. The few files of /etc stand in
image/etc and are copied as they are.
"""

import argparse
import os
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, '../tools/launcher'))
import cpio  # noqa: E402

DIRECTORIES = {
    'boot': 0o755, 'dev': 0o755, 'etc': 0o755, 'home': 0o755, 'media': 0o755, 'mnt': 0o755,
    'opt': 0o755, 'proc': 0o555, 'root': 0o700, 'run': 0o755, 'srv': 0o755, 'sys': 0o555,
    'tmp': 0o1777, 'usr': 0o755, 'usr/bin': 0o755, 'usr/lib': 0o755, 'usr/lib64': 0o755,
    'usr/local': 0o755, 'usr/local/bin': 0o755, 'usr/local/sbin': 0o755, 'usr/sbin': 0o755,
    'usr/share': 0o755, 'var': 0o755, 'var/cache': 0o755, 'var/lib': 0o755, 'var/log': 0o755,
    'var/spool': 0o755, 'var/tmp': 0o1777,
}
SYMLINKS = {
    'bin': 'usr/bin', 'sbin': 'usr/sbin', 'lib': 'usr/lib', 'lib64': 'usr/lib64',
    'etc/mtab': '../proc/self/mounts', 'var/run': '../run', 'var/lock': '../run/lock',
    'usr/sbin/init': '../../boot/hati/init',
}
# applets that would take the place of a file of ours
LEFT_OUT = {'busybox', 'init', 'linuxrc'}
PRIVATE_FILES = {'shadow': 0o640, 'gshadow': 0o640}


def static_program(path):
    """The bytes of a static ELF program, or an end with one line that says what is wrong."""
    try:
        with open(path, 'rb') as file:
            data = file.read()
    except OSError as error:
        sys.exit(f'make-root.py: {path}: {error.strerror}')
    header = subprocess.run(['llvm-readelf-19', '-l', path], capture_output=True, text=True)
    if not data.startswith(b'\x7fELF') or ' INTERP ' in header.stdout:
        sys.exit(f'make-root.py: {path} is not a static program')
    return data


def applet_links(busybox):
    """{path: target} for each applet, in usr/bin or usr/sbin."""
    listing = subprocess.run([busybox, '--list-full'], check=True, capture_output=True, text=True)
    links = {}
    for line in listing.stdout.split():
        folder, _, name = line.rpartition('/')
        if name in LEFT_OUT:
            continue
        if folder.endswith('sbin'):
            links[f'usr/sbin/{name}'] = '../bin/busybox'
        else:
            links[f'usr/bin/{name}'] = 'busybox'
    return links


def write_root(output, busybox, bash):
    files = {
        'usr/bin/busybox': (static_program(busybox), 0o755),
        'usr/bin/bash-static': (static_program(bash), 0o755),
    }
    for name in sorted(os.listdir(os.path.join(here, 'etc'))):
        with open(os.path.join(here, 'etc', name), 'rb') as file:
            files[f'etc/{name}'] = (file.read(), PRIVATE_FILES.get(name, 0o644))
    links = SYMLINKS | applet_links(busybox) | {'usr/bin/bash': 'bash-static'}

    writer = cpio.Writer(output)
    for name in sorted(DIRECTORIES | files | links):
        if name in DIRECTORIES:
            writer.directory(name, DIRECTORIES[name])
        elif name in files:
            data, permissions = files[name]
            writer.file(name, data, permissions)
        else:
            writer.symlink(name, links[name])
    writer.finish()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--output', required=True)
    parser.add_argument('--busybox', required=True)
    parser.add_argument('--bash', required=True)
    options = parser.parse_args()
    with open(options.output, 'wb') as output:
        write_root(output, options.busybox, options.bash)


if __name__ == '__main__':
    main()
