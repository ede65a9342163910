#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 3600
"""Managed memory (tests/managed): a server backs an object of 1 GiB on a machine with 256 MiB,
users verify every page they touch, then the server is killed; Linux programs run all the time.

HATI_MANAGED_OPERATIONS (default 20000) says how many pages are used, HATI_MANAGED_SEED which. The
long run, a minute or more of work for the page cache:

    HATI_MANAGED_OPERATIONS=2000000 python3 -B tools/test/run.py --only managed
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time

import guest

N_OPERATIONS = int(os.environ.get('HATI_MANAGED_OPERATIONS', '20000'))
SEED = int(os.environ.get('HATI_MANAGED_SEED', '1'))
_TIMEOUT = 180 + N_OPERATIONS // 200
_CASE = re.compile(r'managed: ((?:not ok|ok) .*)')
_END = re.compile(r'managed: done|panic')
_PROGRAMS = 'while busybox true; do echo alive; busybox sleep 0.1; done; echo dead'


def read(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read()
    except OSError:
        return ''


def wait_for(process, condition):
    while process.poll() is None and not condition():
        time.sleep(0.3)


def run(folder):
    """The kernel's log, and what the programs have said before and after the end of the test."""
    log_path = os.path.join(folder, 'log')
    out_path = os.path.join(folder, 'out')
    append = f'hati.test=managed managed.operations={N_OPERATIONS} managed.seed={SEED}'
    command = guest.hati_command(('busybox', 'sh', '-c', _PROGRAMS), '--smp', '2',
                                 '--memory', '256M', '--append', append, '--log', log_path,
                                 timeout=_TIMEOUT)
    with open(out_path, 'wb') as out, \
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                             stderr=subprocess.DEVNULL, start_new_session=True) as process:
        wait_for(process, lambda: _END.search(read(log_path)))
        before = read(out_path).count('alive')
        wait_for(process, lambda: read(out_path).count('alive') > before + 2 or
                 'panic' in read(log_path))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
    return read(log_path), before, read(out_path)


def main():
    with tempfile.TemporaryDirectory(prefix='hati-test-') as folder:
        text, before, output = run(folder)
    for line in text.splitlines():
        if 'managed:' in line or 'panic' in line:
            print('#', line)
    cases = _CASE.findall(text)
    if 'managed: done' not in text:
        cases.append(f'not ok managed: no end, seed {SEED}')
        print(text[-6000:])
    is_alive = output.count('alive') > before + 2 and 'dead' not in output
    cases.append('ok programs_go_on' if is_alive else
                 f'not ok programs_go_on: {before} signs of life, then {output[-300:]!r}')
    print('\n'.join(cases))
    return 1 if any(case.startswith('not ok') for case in cases) else 0


if __name__ == '__main__':
    sys.exit(main())
