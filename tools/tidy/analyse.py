#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs clang-tidy, with the checks of .clang-tidy, on each C file of a build.

    analyse.py [--build FOLDER] [--jobs N] [PATH-PREFIX]...
"""

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def tracked_files():
    listing = subprocess.run(['git', '-C', TOP, 'ls-files', '*.c'], check=True,
                             capture_output=True, text=True)
    return set(listing.stdout.split())


def files_of(build, prefixes):
    """Tracked C files that the build compiles, each once."""
    with open(os.path.join(build, 'compile_commands.json'), encoding='utf-8') as file:
        commands = json.load(file)
    tracked = tracked_files()
    paths = {os.path.relpath(os.path.normpath(os.path.join(entry['directory'], entry['file'])),
                             TOP) for entry in commands}
    return sorted(path for path in paths & tracked
                  if not prefixes or path.startswith(tuple(prefixes)))


def analyse(build, path):
    """clang-tidy's output for one file; empty if it found nothing."""
    result = subprocess.run(['clang-tidy-19', '--quiet', '-p', build, os.path.join(TOP, path)],
                            capture_output=True, text=True, check=False)
    return result.stdout if result.returncode else ''


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--build', default=os.path.join(TOP, 'build/x86_64-debug'))
    parser.add_argument('--jobs', type=int, default=os.cpu_count() or 1)
    parser.add_argument('prefixes', nargs='*', metavar='PATH-PREFIX')
    options = parser.parse_args()
    files = files_of(options.build, options.prefixes)
    n_failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for output in pool.map(lambda path: analyse(options.build, path), files):
            if output:
                n_failed += 1
                print(output.rstrip())
    print(f'analyse: {len(files)} files, {n_failed} with findings')
    return 1 if n_failed else 0


if __name__ == '__main__':
    sys.exit(main())
