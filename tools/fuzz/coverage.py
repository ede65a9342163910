#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Show how many lines of kernel/thor the host tests and a little fuzzing execute.

    coverage.py --build FOLDER [--time SECONDS] [--uncovered WORD]

FOLDER is a host build with -fprofile-instr-generate -fcoverage-mapping (make coverage). Its thor
and fuzz tests run, then the fuzz targets over thor for that long, together. A line is printed for
each folder, and the files with most lines that were never executed. --uncovered only shows these
lines, of the files whose path holds the word, from the last run's data.
"""

import argparse
import glob
import json
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
THOR = os.path.join(TOP, 'kernel/thor')
_TARGETS = ('calls', 'exchange', 'queue')   # those over thor
_N_WORST = 12
# On the host thor runs over arch/sim; the other architectures are for the tests in the guest.
_LEFT_OUT = ('arch', 'tests')


def programs_of(build):
    """What is linked with thor."""
    return sorted(path for folder in ('kernel/thor/tests/test-*', 'tests/fuzz/fuzz-*')
                  for path in glob.glob(os.path.join(build, folder))
                  if os.path.isfile(path) and os.access(path, os.X_OK))


def run_all(build, n_seconds):
    profiles = os.path.join(build, 'profiles')
    os.makedirs(profiles, exist_ok=True)
    for path in glob.glob(os.path.join(profiles, '*')):
        os.unlink(path)
    variables = os.environ | {'LLVM_PROFILE_FILE': os.path.join(profiles, '%m-%p.profraw')}
    tests = subprocess.run(['meson', 'test', '-C', build, '--no-rebuild', '--quiet',
                            '--suite', 'thor', '--suite', 'fuzz'], env=variables, check=False)
    fuzzing = [sys.executable, '-B', os.path.join(TOP, 'tools/fuzz/run.py'), '--build', build,
               '--time', str(n_seconds)]
    for target in _TARGETS:
        fuzzing += ['--only', target]
    fuzz = subprocess.run(fuzzing, env=variables, check=False)
    subprocess.run(['llvm-profdata-19', 'merge', '-sparse', '-o', os.path.join(build, 'profile'),
                    *glob.glob(os.path.join(profiles, '*.profraw'))], check=True)
    return tests.returncode or fuzz.returncode


def llvm_cov(command, build, *words):
    programs = programs_of(build)
    objects = [word for program in programs[1:] for word in ('-object', program)]
    return subprocess.run(['llvm-cov-19', command, '-instr-profile',
                           os.path.join(build, 'profile'), programs[0], *objects, *words],
                          check=True, capture_output=True, text=True).stdout


def files_of(build):
    """[(path below kernel/thor, lines, executed)]"""
    data = json.loads(llvm_cov('export', build, '-summary-only'))
    files = []
    for file in data['data'][0]['files']:
        path = os.path.relpath(os.path.realpath(os.path.join(build, file['filename'])), THOR)
        lines = file['summary']['lines']
        if not path.startswith('..') and path.split('/', 1)[0] not in _LEFT_OUT:
            files.append((path, lines['count'], lines['covered']))
    return files


def share(n_covered, n_lines):
    return f'{n_covered:6} of {n_lines:6} lines, {100 * n_covered / n_lines:5.1f} %'


def _missing(files):
    """What thor has and no program of the host."""
    seen = {path for path, *_ in files}
    paths = {os.path.relpath(path, THOR) for path in glob.glob(THOR + '/**/*.c', recursive=True)}
    return {path for path in paths - seen if path.split('/', 1)[0] not in _LEFT_OUT}


def show(files):
    folders = {}
    for path, n_lines, n_covered in files:
        folder = os.path.dirname(path) or '.'
        total = folders.setdefault(folder, [0, 0])
        total[0] += n_lines
        total[1] += n_covered
    for path, n_lines, n_covered in sorted(files, key=lambda file: file[2] - file[1])[:_N_WORST]:
        print(f'{n_lines - n_covered:6} lines not executed in {path}, of {n_lines}')
    for folder, (n_lines, n_covered) in sorted(folders.items()):
        print(f'{folder:10} {share(n_covered, n_lines)}')
    n_lines = sum(total[0] for total in folders.values())
    n_covered = sum(total[1] for total in folders.values())
    print('not in the host build, only executed in the guest: arch/x86_64 and '
          + ', '.join(sorted(_missing(files))))
    print(f'total      {share(n_covered, n_lines)}')


def show_uncovered(build, word):
    paths = [os.path.join(THOR, path) for path, *_ in files_of(build) if word in path]
    for line in llvm_cov('show', build, *paths).splitlines():
        number, _, rest = line.partition('|')
        count, _, text = rest.partition('|')
        if number.strip().isdigit() and count.strip() == '0':
            print(f'{number}: {text}')
        elif line.startswith('/'):
            print(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--build', default=os.path.join(TOP, 'build/coverage'))
    parser.add_argument('--time', type=int, default=60, metavar='SECONDS')
    parser.add_argument('--uncovered', metavar='WORD')
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    if options.uncovered is not None:
        show_uncovered(build, options.uncovered)
        return 0
    status = run_all(build, options.time)
    show(files_of(build))
    return status


if __name__ == '__main__':
    sys.exit(main())
