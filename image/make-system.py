#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the system archive: thor, the shim, init and the servers, below boot/hati.

    make-system.py --output FILE --strip PROGRAM [PATH=HOSTFILE]...

The programs are stored without symbols; whoever needs those (the launcher's backtraces, gdb)
takes the file in the build directory.
"""

import argparse
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../tools/launcher'))
import cpio  # noqa: E402


def stripped(host_path, strip):
    """The file's bytes without symbols; as they are if it is not an ELF file."""
    with open(host_path, 'rb') as file:
        data = file.read()
    if not data.startswith(b'\x7fELF'):
        return data
    with tempfile.NamedTemporaryFile() as output:
        subprocess.run([strip, '--strip-all', '-o', output.name, host_path], check=True)
        with open(output.name, 'rb') as file:
            return file.read()


def parents_of(path):
    """'a/b/c' -> 'a', 'a/b'"""
    parts = path.split('/')[:-1]
    return ['/'.join(parts[:i + 1]) for i in range(len(parts))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--output', required=True)
    parser.add_argument('--strip', required=True)
    parser.add_argument('files', nargs='*', metavar='PATH=HOSTFILE')
    options = parser.parse_args()

    files = dict(item.split('=', 1) for item in options.files)
    directories = {'boot', 'boot/hati'}
    for path in files:
        directories.update(parents_of(path))
    with open(options.output, 'wb') as output:
        writer = cpio.Writer(output)
        for path in sorted(directories):
            writer.directory(path)
        for path in sorted(files):
            data = stripped(files[path], options.strip)
            writer.file(path, data, 0o755 if data.startswith(b'\x7fELF') else 0o644)
        writer.finish()


if __name__ == '__main__':
    main()
