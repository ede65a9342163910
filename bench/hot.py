#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Adds up what hot.c counted, by function.

    hot.py COUNTS PROGRAM[@BASE]... [--per N] [--programs]

Each PROGRAM is an ELF file whose symbols name addresses; BASE (hexadecimal) is added to them.
Programs may lie at the same addresses: a block belongs to the one that has its bytes there, or else
(code that was changed when it was loaded) to the only one that knows the address. --per divides by
a number of operations; the second column says how often the function was entered (about: where a
block begins at its first instruction). --programs adds up by program. The guest must have been
booted with `nokaslr`.
"""

import argparse
import bisect
import collections
import struct
import subprocess


class Program:
    def __init__(self, argument):
        path, _, base = argument.partition('@')
        base = int(base, 16) if base else 0
        self.name = path.rsplit('/', 1)[-1]
        listing = subprocess.run(['llvm-nm-19', '--defined-only', '-n', path], check=True,
                                 capture_output=True, text=True).stdout
        self.table = []
        for line in listing.splitlines():
            address, kind, symbol = line.split(maxsplit=2)
            if kind in 'tTwW':
                self.table.append((int(address, 16) + base, symbol))
        self.entries = set(self.table)
        self.segments = self.load(path, base)

    @staticmethod
    def load(path, base):
        """The code of an ELF64 file: (address, bytes) of each executable segment."""
        with open(path, 'rb') as file:
            image = file.read()
        offset, = struct.unpack_from('<Q', image, 32)
        size, count = struct.unpack_from('<HH', image, 54)
        segments = []
        for i in range(count):
            kind, flags, at, address, _, n_bytes = struct.unpack_from(
                '<IIQQQQ', image, offset + i * size)
            if kind == 1 and flags & 1:
                segments.append((address + base, image[at:at + n_bytes]))
        return segments

    def symbol(self, address):
        at = bisect.bisect_right(self.table, (address, '~')) - 1
        if at >= 0 and address - self.table[at][0] < 0x10000:
            return self.table[at][1]
        return None

    def has(self, address, code):
        for start, data in self.segments:
            if start <= address < start + len(data):
                return data[address - start:address - start + len(code)] == code
        return False


def find(programs, address, code):
    known = [(program, symbol) for program in programs if (symbol := program.symbol(address))]
    for program, symbol in known:
        if program.has(address, code):
            return program.name, symbol
    if known and (len(known) == 1 or not code):
        return known[0][0].name, known[0][1]
    return '?', f'{address >> 12:x}000'


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('counts')
    parser.add_argument('programs', nargs='+')
    parser.add_argument('--per', type=float, default=1)
    parser.add_argument('--top', type=int, default=60)
    parser.add_argument('--programs', dest='is_by_program', action='store_true')
    options = parser.parse_args()
    programs = [Program(name) for name in options.programs]
    totals = collections.Counter()
    runs = collections.Counter()
    with open(options.counts, encoding='ascii') as file:
        for line in file:
            address, n_insns, n_runs, *code = line.split()
            address = int(address, 16)
            program, symbol = find(programs, address, bytes.fromhex(''.join(code)))
            name = program if options.is_by_program else f'{program}:{symbol}'
            totals[name] += int(n_insns) * int(n_runs)
            if any((address, symbol) in p.entries for p in programs if p.name == program):
                runs[name] += int(n_runs)
    print(f'{sum(totals.values()) / options.per:14.1f} all')
    for name, count in totals.most_common(options.top):
        print(f'{count / options.per:14.1f} {runs[name] / options.per:9.2f} {name}')


if __name__ == '__main__':
    main()
