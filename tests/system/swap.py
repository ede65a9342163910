#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 300
"""Swappable memory (tests/swap): 68 MiB of it on a machine with 64 MiB, which is forked, with a
swap manager that is killed in the end; Linux programs run all the time.

HATI_SWAP_OPERATIONS (default 1000) says how many pages are used besides, HATI_SWAP_SEED which.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time

import guest

N_OPERATIONS = int(os.environ.get('HATI_SWAP_OPERATIONS', '1000'))
SEED = int(os.environ.get('HATI_SWAP_SEED', '1'))
_TIMEOUT = 120 + N_OPERATIONS // 100
_CASE = re.compile(r'swap: ((?:not ok|ok) .*)')
_END = re.compile(r'swap: done|panic|nobody observes')
_PROGRAMS = 'while busybox true; do echo alive; busybox sleep 0.1; done; echo dead'


def read(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read()
    except OSError:
        return ''


def wait_for(process, condition):
    while process.poll() is None and not condition():
        time.sleep(0.2)


def run(folder):
    """The kernel's log, and whether the programs have gone on after the end of the test."""
    log_path = os.path.join(folder, 'log')
    out_path = os.path.join(folder, 'out')
    append = f'hati.test=swap swap.operations={N_OPERATIONS} swap.seed={SEED}'
    command = guest.hati_command(('busybox', 'sh', '-c', _PROGRAMS), '--smp', '2',
                                 '--memory', '64M', '--append', append, '--log', log_path,
                                 timeout=_TIMEOUT)
    with open(out_path, 'wb') as out, \
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                             stderr=subprocess.DEVNULL, start_new_session=True) as process:
        wait_for(process, lambda: _END.search(read(log_path)))
        before = read(out_path).count('alive')
        wait_for(process, lambda: read(out_path).count('alive') > before + 2 or
                 'swap: done' not in read(log_path))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
    output = read(out_path)
    return read(log_path), output.count('alive') > before + 2 and 'dead' not in output


def main():
    with tempfile.TemporaryDirectory(prefix='hati-test-') as folder:
        text, do_programs_go_on = run(folder)
    for line in text.splitlines():
        if 'swap:' in line or 'panic' in line or 'nobody observes' in line:
            print('#', line)
    cases = _CASE.findall(text)
    cases.append('ok programs_go_on' if do_programs_go_on else 'not ok programs_go_on: they do not')
    if 'swap: done' not in text:
        cases.append(f'not ok swap: no end, seed {SEED}')
        print(text[-6000:])
    print('\n'.join(cases))
    return 1 if any(case.startswith('not ok') for case in cases) else 0


if __name__ == '__main__':
    sys.exit(main())
