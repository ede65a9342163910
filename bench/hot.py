#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Adds up what hot.c counted, by function.

    hot.py COUNTS PROGRAM[@BASE]... [--per N]

Each PROGRAM is an ELF file whose symbols name addresses; BASE (hexadecimal) is added to them. Of
overlapping programs the first one that knows an address wins. --per divides by a number of
operations. The guest must have been booted with `nokaslr`.
"""

import argparse
import bisect
import collections
import subprocess


def symbols_of(name):
    path, _, base = name.partition('@')
    base = int(base, 16) if base else 0
    listing = subprocess.run(['llvm-nm-19', '--defined-only', '-n', path], check=True,
                             capture_output=True, text=True).stdout
    table = []
    for line in listing.splitlines():
        address, kind, symbol = line.split(maxsplit=2)
        if kind in 'tTwW':
            table.append((int(address, 16) + base, symbol))
    return path.rsplit('/', 1)[-1], table


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('counts')
    parser.add_argument('programs', nargs='+')
    parser.add_argument('--per', type=float, default=1)
    parser.add_argument('--top', type=int, default=60)
    options = parser.parse_args()
    programs = [symbols_of(name) for name in options.programs]
    totals = collections.Counter()
    with open(options.counts, encoding='ascii') as file:
        for line in file:
            address, n_insns, n_runs = line.split()
            address = int(address, 16)
            name = f'{address >> 12:x}000'
            for program, table in programs:
                at = bisect.bisect_right(table, (address, '~')) - 1
                if at >= 0 and address - table[at][0] < 0x10000:
                    name = f'{program}:{table[at][1]}'
                    break
            totals[name] += int(n_insns) * int(n_runs)
    print(f'{sum(totals.values()) / options.per:14.1f} all')
    for name, count in totals.most_common(options.top):
        print(f'{count / options.per:14.1f} {name}')


if __name__ == '__main__':
    main()
