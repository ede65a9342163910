#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 7200
"""Arbitrary hel calls on four CPUs (tests/torture): no panic, no leak, nothing stuck.

HATI_TORTURE_CALLS (default 200000) and HATI_TORTURE_SEED (default 1) say how many, and which.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time

import guest

N_CALLS = int(os.environ.get('HATI_TORTURE_CALLS', '200000'))
SEED = int(os.environ.get('HATI_TORTURE_SEED', '1'))
_TIMEOUT = 120 + N_CALLS // 1000
_CASE = re.compile(r'torture: ((?:not ok|ok) .*)')
_END = re.compile(r'torture: done|panic')


def read(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read()
    except OSError:
        return ''


def log_of_run(log_path):
    """The kernel's log of a boot that only plays."""
    append = f'hati.test=torture torture.calls={N_CALLS} torture.seed={SEED}'
    command = guest.hati_command(('busybox', 'sleep', '100000'), '--smp', '4', '--append', append,
                                 '--log', log_path, timeout=_TIMEOUT)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, start_new_session=True) as process:
        while process.poll() is None and not _END.search(read(log_path)):
            time.sleep(0.5)
        time.sleep(1)   # the rest of a panic
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
    return read(log_path)


def main():
    with tempfile.TemporaryDirectory(prefix='hati-test-') as folder:
        text = log_of_run(os.path.join(folder, 'log'))
    for line in text.splitlines():
        if 'torture:' in line or 'panic' in line:
            print('#', line)
    cases = _CASE.findall(text)
    if 'torture: done' not in text:
        cases.append(f'not ok torture: no end, seed {SEED}')
        print(text[-6000:])
    print('\n'.join(cases))
    return 1 if any(case.startswith('not ok') for case in cases) else 0


if __name__ == '__main__':
    sys.exit(main())
