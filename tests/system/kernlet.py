#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A kernlet, compiled by kernletcc, acknowledges a device (tests/kernlet)."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time

import guest

_CASE = re.compile(r'kernlet-test: (?:[EW] )?((?:not ok|ok) \w+)(.*)')
_END = re.compile(r'kernlet-test: done|panic')
_CASES = 3
_TIMEOUT = 60


def read(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read()
    except OSError:
        return ''


def log_of_run(log_path):
    """The kernel's log of a boot with the device."""
    command = guest.hati_command(('busybox', 'sleep', '100000'), '--append', 'hati.test=kernlet',
                                 '--qemu', '-device edu', '--log', log_path, timeout=_TIMEOUT)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, start_new_session=True) as process:
        while process.poll() is None and not _END.search(read(log_path)):
            time.sleep(0.2)
        time.sleep(0.5)   # the rest of a panic
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
    return read(log_path)


def main():
    with tempfile.TemporaryDirectory(prefix='hati-test-') as folder:
        text = log_of_run(os.path.join(folder, 'log'))
    cases = [f'{name}:{why}' if name.startswith('not') else name
             for name, why in _CASE.findall(text)]
    if 'kernlet-test: done' not in text or len(cases) < _CASES:
        cases.append('not ok kernlet: no end')
        print(text[-6000:])
    print('\n'.join(cases))
    return 1 if any(case.startswith('not ok') for case in cases) else 0


if __name__ == '__main__':
    sys.exit(main())
