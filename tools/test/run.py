#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs all tests and ends with the line "N passed, N failed" (", N skipped" if any were).

    run.py [--build debug|release] [--only WORD]... [--jobs N]

Only tests whose names hold one of the words run. Each program's output is kept in build/test.
"""

import argparse
import os
import sys
import time

import suites


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--build', default='debug', choices=('debug', 'release', 'kasan', 'ubsan'))
    parser.add_argument('--only', action='append', default=[], metavar='WORD')
    # one more than there are processors: a guest waits for its disks and clocks half of the time
    parser.add_argument('--jobs', type=int, default=(os.cpu_count() or 1) + 1, metavar='N')
    options = parser.parse_args()

    settings = suites.Settings(options.build, options.only, options.jobs)
    totals = {'ok': 0, 'not ok': 0, 'skip': 0}
    started = time.monotonic()
    for suite in suites.ALL:
        for result in suite(settings):
            result.show()
            for verdict in totals:
                totals[verdict] += result.count(verdict)
    print(f'took {time.monotonic() - started:.0f} s; the output of each test is in build/test')
    line = f'{totals["ok"]} passed, {totals["not ok"]} failed'
    if totals['skip']:
        line += f', {totals["skip"]} skipped'
    print(line, flush=True)
    return 1 if totals['not ok'] or not totals['ok'] else 0


if __name__ == '__main__':
    sys.exit(main())
