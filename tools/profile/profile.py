#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where instructions go: runs a command in the guest and prints executed instructions by function.

    tools/profile/profile.py [--build release] [--add PATH:GUESTPATH] [--marks N:M] -- COMMAND...

Counts everything that the machine executes, in the kernel, the servers, the shim and the command,
under --icount, so the figures are exact and repeatable. --marks N:M counts only from the Nth to
the Mth benchmark of an osbench that is run as the command. --per DIVISOR divides the figures.
"""

import argparse
import bisect
import collections
import os
import struct
import subprocess
import sys
import tempfile

_TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_KERNEL_IMAGE = 0xffffffff80000000
_SHIM_MASK = 0xffffff       # the shim is linked at 0 and mapped at a multiple of 16 MiB
_SHIM_LOW = 0x600000000000


class Program:
    """An ELF file: bytes at an address, and the function that an address is in."""

    def __init__(self, path):
        with open(path, 'rb') as file:
            self.data = file.read()
        offset, = struct.unpack_from('<Q', self.data, 32)
        count, = struct.unpack_from('<H', self.data, 56)
        headers = [struct.unpack_from('<IIQQQQQQ', self.data, offset + 56 * i)
                   for i in range(count)]
        self.segments = [(header[3], header[2], header[5]) for header in headers if header[0] == 1]
        listing = subprocess.run(['llvm-nm-19', '-n', '--defined-only', path],
                                 capture_output=True, text=True, check=False).stdout
        rows = [line.split() for line in listing.splitlines()]
        symbols = [(int(row[0], 16), row[2]) for row in rows
                   if len(row) == 3 and row[1] in 'tTwW']
        self.addresses = [address for address, _ in symbols]
        self.names = [name for _, name in symbols]

    def bytes_at(self, address, size):
        for start, offset, length in self.segments:
            if start <= address < start + length:
                return self.data[offset + address - start:][:size]
        return b''

    def function_at(self, address):
        index = bisect.bisect_right(self.addresses, address) - 1
        return self.names[index] if index >= 0 else '?'


def find_programs(build, added):
    """{name: Program} of everything in the build that is an ELF file for the guest."""
    paths = [os.path.join(build, 'kernel/thor/thor')] + added
    for folder in ('servers', 'drivers', 'posix', 'user', 'bench/thor'):
        for parent, _, names in os.walk(os.path.join(build, folder)):
            paths += [os.path.join(parent, name) for name in names
                      if '.' not in name and not parent.endswith('.p')]
    programs = {}
    for path in paths:
        with open(path, 'rb') as file:
            if file.read(4) == b'\x7fELF':
                programs[os.path.basename(path)] = Program(path)
    return programs


def owner_of(address, code, programs):
    """(program, address in its file) of a block."""
    if address >= _KERNEL_IMAGE:
        return 'thor', address
    if address >> 63:
        return 'other', address
    if address >= _SHIM_LOW and 'shim' in programs:
        if programs['shim'].bytes_at(address & _SHIM_MASK, len(code)) == code:
            return 'shim', address & _SHIM_MASK
    for name, program in programs.items():
        if name not in ('thor', 'shim') and program.bytes_at(address, len(code)) == code:
            return name, address
    return 'other', address


def count(path, programs):
    """Instructions by program, and by (program, function)."""
    by_program, by_function = collections.Counter(), collections.Counter()
    with open(path, encoding='ascii') as file:
        for line in file:
            words = line.split()
            address, code = int(words[0], 16), bytes.fromhex(words[3])
            executed = int(words[1]) * int(words[2])
            name, address = owner_of(address, code, programs)
            function = programs[name].function_at(address) if name in programs else '?'
            by_program[name] += executed
            by_function[name, function] += executed
    return by_program, by_function


def print_table(by_program, by_function, divisor, n_lines):
    total = sum(by_program.values()) or 1
    print(f'{total / divisor:14.1f}         all')
    for name, executed in by_program.most_common():
        print(f'{executed / divisor:14.1f} {100 * executed / total:5.1f} % {name}')
    print()
    for (name, function), executed in by_function.most_common(n_lines):
        print(f'{executed / divisor:14.1f} {100 * executed / total:5.1f} % {name} {function}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--build', default='release', choices=('debug', 'release'))
    parser.add_argument('--add', action='append', default=[], metavar='HOSTPATH:GUESTPATH')
    parser.add_argument('--append', default='', metavar='WORDS')
    parser.add_argument('--marks', metavar='N:M')
    parser.add_argument('--per', type=float, default=1)
    parser.add_argument('--lines', type=int, default=60)
    parser.add_argument('command', nargs='+')
    options = parser.parse_args()

    build = os.path.join(_TOP, 'build', f'x86_64-{options.build}')
    with tempfile.TemporaryDirectory() as folder:
        counts = os.path.join(folder, 'counts')
        plugin = os.path.join(_TOP, 'build/host/tools/profile/profile.so')
        arguments = f'-plugin file={plugin},out={counts}'
        if options.marks:
            first, last = options.marks.split(':')
            arguments += f',from={first},to={last}'
        launch = [os.path.join(_TOP, 'hati'), 'run', '--icount', '--build', options.build,
                  '--append', 'nokaslr ' + options.append, '--qemu', arguments]
        for item in options.add:
            launch += ['--add', item]
        status = subprocess.run(launch + ['--'] + options.command, check=False).returncode
        added = [item.split(':')[0] for item in options.add]
        print_table(*count(counts, find_programs(build, added)), options.per, options.lines)
    sys.exit(status)


if __name__ == '__main__':
    main()
