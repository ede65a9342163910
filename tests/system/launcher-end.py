#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A guest that ends badly: exit status 125, the panic, and names for its addresses."""

import os
import re
import signal
import subprocess
import tempfile
import time

import guest
from guest import check, check_equal

_FRAME = re.compile(r'#\d+ 0x[0-9a-f]{16}  (\w+) at (\S+):(\d+)')


def crash(how, *options):
    outcome = guest.run('busybox', 'true', options=('--append', f'thor.crash={how}', *options),
                        timeout=30)
    return outcome, outcome.errors.decode('utf-8', 'replace')


def check_report(outcome, errors, function):
    check_equal(outcome.status, 125, f'status, after {errors!r},')
    check_equal(outcome.output, b'', 'stdout')
    check('the guest panicked' in errors and 'panic: ' in errors, errors)
    frames = _FRAME.findall(errors)
    check(any(name == function for name, _, _ in frames), f'no {function} in {errors}')
    check(all(os.path.exists(os.path.join(guest.TOP, path))
              for _, path, _ in frames), f'a file does not exist in {frames}')


def panic_has_a_backtrace():
    check_report(*crash('panic'), 'thor_main')


def panic_without_kaslr_has_a_backtrace():
    check_report(*crash('panic', '--append', 'nokaslr'), 'thor_main')


def log_holds_the_panic():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'the log')
        crash('panic', '--log', path)
        with open(path, encoding='utf-8', errors='replace') as file:
            text = file.read()
    check('panic: ' in text, text[-300:])


def qemu_that_does_not_start():
    outcome = guest.run('busybox', 'true', options=('--qemu', '-no-such-option'))
    check_equal(outcome.status, 125, 'status')
    check(b'no-such-option' in outcome.errors, f'stderr is {outcome.errors!r}')


def started_launcher(n_before):
    """A launcher whose QEMU runs."""
    process = subprocess.Popen(guest.hati_command(['busybox', 'sleep', '100']),
                               stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    check(becomes(lambda n_qemu: n_qemu > n_before), 'QEMU does not run')
    return process


def becomes(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition(_n_qemu()):
            return True
        time.sleep(0.1)
    return False


def interrupted_launcher_leaves_nothing():
    before = _n_qemu()
    process = started_launcher(before)
    process.send_signal(signal.SIGINT)
    check_equal(process.wait(10), 130, 'status')
    check_equal(_n_qemu(), before, 'number of QEMU processes')


def killed_launcher_leaves_nothing():
    before = _n_qemu()
    process = started_launcher(before)
    process.kill()
    process.wait()
    check(becomes(lambda n_qemu: n_qemu == before), 'QEMU still runs')


def _n_qemu():
    """Processes of QEMU whose parent or grandparent we are, or that have lost theirs."""
    n_found = 0
    for name in os.listdir('/proc'):
        if not name.isdecimal():
            continue
        try:
            with open(f'/proc/{name}/cmdline', 'rb') as file:
                words = file.read().split(b'\0')
            with open(f'/proc/{name}/stat', encoding='utf-8') as file:
                parent = int(file.read().rsplit(')', 1)[1].split()[1])
        except OSError:
            continue
        if b'qemu-system' in words[0] and parent in (1, os.getpid(), *_children()):
            n_found += 1
    return n_found


def _children():
    try:
        with open(f'/proc/{os.getpid()}/task/{os.getpid()}/children', encoding='utf-8') as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


if __name__ == '__main__':
    guest.main([panic_has_a_backtrace, panic_without_kaslr_has_a_backtrace,
                log_holds_the_panic, qemu_that_does_not_start,
                interrupted_launcher_leaves_nothing, killed_launcher_leaves_nothing])
