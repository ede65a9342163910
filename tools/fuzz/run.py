#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the libFuzzer targets of the host build.

    run.py [--time SECONDS] [--only WORD]... [--build FOLDER]
    run.py --smoke PROGRAM

Without --smoke: every target `fuzz-*` that meson knows, two at a time, each for its share of the
time; corpora stay in build/fuzz/NAME, inputs that crashed in build/fuzz/crashes. Ends with
`N passed, N failed`.

--smoke is a test of `make test`: some runs with a fixed seed and no corpus, then the inputs that
tests/fuzz/corpus/NAME keeps. TEST_SEED draws other runs. For a program and a seed they are always
the same, which takes more than the seed: libFuzzer remembers what the program compares, pointers
too, so addresses are not random, or, where that is not allowed, it does not look.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORPUS = os.path.join(TOP, 'build/fuzz')
KEPT = os.path.join(TOP, 'tests/fuzz/corpus')
_N_AT_ONCE = 2
# Runs of --smoke; the simulated machine is slow, and so are whole file systems.
_SMOKE_RUNS = {'calls': 1000, 'exchange': 2000, 'queue': 2000, 'ext4': 300, 'fat': 1000,
               'iso9660': 1000}
_SMOKE_RUNS_OF_OTHERS = 20000
# What finds more in more time than the others.
_WEIGHTS = {'calls': 4}
_OPTIONS = ['-print_final_stats=1', '-timeout=25', '-rss_limit_mb=2048', '-max_len=2048']
_STATISTIC = re.compile(r'^stat::(\w+):\s+(\d+)', re.MULTILINE)


def name_of(program):
    return os.path.basename(program).removeprefix('fuzz-')


def targets(build):
    """The programs, sorted by name."""
    listing = subprocess.run(['meson', 'introspect', '--targets', build], check=True,
                             capture_output=True, text=True)
    return sorted(target['filename'][0] for target in json.loads(listing.stdout)
                  if target['type'] == 'executable' and target['name'].startswith('fuzz-'))


def fuzz(program, n_seconds):
    """(the line that says how it went, whether it crashed)"""
    name = name_of(program)
    corpus = os.path.join(CORPUS, name)
    crash = os.path.join(CORPUS, 'crashes', name + '-')
    log_path = os.path.join(CORPUS, name + '.log')
    folders = [corpus] + [folder for folder in (os.path.join(KEPT, name),)
                          if os.path.isdir(folder)]
    os.makedirs(corpus, exist_ok=True)
    os.makedirs(os.path.dirname(crash), exist_ok=True)
    command = [program, f'-max_total_time={n_seconds}', f'-artifact_prefix={crash}',
               *_OPTIONS, *folders]
    with open(log_path, 'w', encoding='utf-8', errors='replace') as log:
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                check=False).returncode
    with open(log_path, encoding='utf-8', errors='replace') as log:
        text = log.read()
    numbers = dict(_STATISTIC.findall(text))
    line = (f'{name}: {numbers.get("number_of_executed_units", "?")} executions, '
            f'{numbers.get("new_units_added", "?")} new units, '
            f'{len(os.listdir(corpus))} in the corpus, {int(status != 0)} crashes')
    if status != 0:
        found = re.search(r'Test unit written to (\S+)', text)
        again = f'{os.path.relpath(program)} {os.path.relpath(found[1])}' if found else log_path
        line += f'\n     to see it again: {again}'
    return line, status != 0


def fuzz_all(options):
    programs = [program for program in targets(options.build)
                if not options.only or any(word in program for word in options.only)]
    weights = {program: _WEIGHTS.get(name_of(program), 1) for program in programs}
    total = sum(weights.values())
    n_failed = 0
    with concurrent.futures.ThreadPoolExecutor(_N_AT_ONCE) as pool:
        # The longest first, so that none is left alone at the end.
        jobs = [pool.submit(fuzz, program,
                            max(1, options.time * _N_AT_ONCE * weights[program] // total))
                for program in sorted(programs, key=lambda program: -weights[program])]
        for job in concurrent.futures.as_completed(jobs):
            line, has_crashed = job.result()
            n_failed += has_crashed
            print(('FAIL ' if has_crashed else 'ok   ') + line, flush=True)
    print(f'{len(programs) - n_failed} passed, {n_failed} failed')
    return 1 if n_failed or not programs else 0


def without_random_addresses():
    """Words before a target, and options for it, so that its runs are the same each time."""
    words = ['setarch', '--addr-no-randomize']
    try:
        subprocess.run([*words, 'true'], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        print('# addresses are random here, so libFuzzer does not see what is compared')
        return [], ['-use_cmp=0']
    return words, []


def smoke(program):
    """Lines as of a test."""
    name = name_of(program)
    seed = int(os.environ.get('TEST_SEED', '1'))
    print(f'# {name}_random: TEST_SEED={seed}')
    prefix, options = without_random_addresses()
    kept = sorted(glob.glob(os.path.join(KEPT, name, '*')))
    n_runs = _SMOKE_RUNS.get(name, _SMOKE_RUNS_OF_OTHERS)
    seed = seed % 0xffffffff or 0xffffffff  # for 0 libFuzzer draws one
    steps = {'random': [f'-seed={seed}', f'-runs={n_runs}', '-len_control=20', '-max_len=512']}
    if kept:
        steps['corpus'] = kept
    n_failed = 0
    with tempfile.TemporaryDirectory(prefix='hati-fuzz-') as folder:
        for step, words in steps.items():
            result = subprocess.run([*prefix, program, f'-artifact_prefix={folder}/', *options,
                                     *words],
                                    stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                    errors='replace', check=False)
            n_failed += result.returncode != 0
            if result.returncode != 0:
                print(result.stdout[-4000:], result.stderr[-12000:])
            print(('ok ' if result.returncode == 0 else 'not ok ') + f'{name}_{step}')
    return 1 if n_failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--time', type=int, default=60, metavar='SECONDS')
    parser.add_argument('--only', action='append', default=[], metavar='WORD')
    parser.add_argument('--build', default=os.path.join(TOP, 'build/host'), metavar='FOLDER')
    parser.add_argument('--smoke', metavar='PROGRAM')
    options = parser.parse_args()
    return smoke(options.smoke) if options.smoke else fuzz_all(options)


if __name__ == '__main__':
    sys.exit(main())
