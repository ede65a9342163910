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


def started_launcher():
    """A launcher, and the number of its QEMU, which runs."""
    process = subprocess.Popen(guest.hati_command(['busybox', 'sleep', '100']),
                               stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    check(becomes(lambda: _qemu_below(process.pid) is not None), 'QEMU does not run')
    return process, _qemu_below(process.pid)


def becomes(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def interrupted_launcher_leaves_nothing():
    process, qemu = started_launcher()
    process.send_signal(signal.SIGINT)
    check_equal(process.wait(60), 130, 'status')
    check(not _is_qemu(qemu), 'QEMU still runs')


def killed_launcher_leaves_nothing():
    process, qemu = started_launcher()
    process.kill()
    process.wait()
    check(becomes(lambda: not _is_qemu(qemu)), 'QEMU still runs')


def _is_qemu(pid):
    """Also false of a zombie, which has no words."""
    try:
        with open(f'/proc/{pid}/cmdline', 'rb') as file:
            return b'qemu-system' in file.read().split(b'\0')[0]
    except OSError:
        return False


def _qemu_below(pid):
    """The QEMU that is the process itself, or one of its children; None."""
    if _is_qemu(pid):
        return pid
    try:
        with open(f'/proc/{pid}/task/{pid}/children', encoding='utf-8') as file:
            return next((child for child in map(int, file.read().split()) if _is_qemu(child)),
                        None)
    except OSError:
        return None


if __name__ == '__main__':
    guest.main([panic_has_a_backtrace, panic_without_kaslr_has_a_backtrace,
                log_holds_the_panic, qemu_that_does_not_start,
                interrupted_launcher_leaves_nothing, killed_launcher_leaves_nothing])
