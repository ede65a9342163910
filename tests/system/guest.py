# SPDX-License-Identifier: MIT
"""For the scripts of this folder: run commands in the guest, report cases."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HATI = os.environ.get('HATI', os.path.join(TOP, 'hati'))
BUILD = os.environ.get('HATI_BUILD', 'debug')
BUILD_FOLDER = os.path.join(TOP, f'build/x86_64-{BUILD}')
BUSYBOX = '/bin/busybox'


class Failure(Exception):
    """A case has failed; the text says why."""


def check(condition, why):
    if not condition:
        raise Failure(why)


def check_equal(value, expected, what):
    if value != expected:
        raise Failure(f'{what} is {value!r}, expected {expected!r}')


class Outcome:
    """What a command in the guest did."""

    def __init__(self, status, output, errors, seconds):
        self.status = status
        self.output = output
        self.errors = errors
        self.seconds = seconds

    def text(self):
        return self.output.decode('utf-8', 'replace')


def hati_command(command, *options, timeout=60):
    """The launcher's command line for a command in the guest."""
    words = [HATI, 'run', '--build', BUILD, '--timeout', str(timeout), *options]
    return words + ['--', *command] if command else words


def run(*command, options=(), stdin=b'', timeout=60):
    """Boots, runs the command, returns its Outcome."""
    started = time.monotonic()
    result = subprocess.run(hati_command(command, *options, timeout=timeout), input=stdin,
                            capture_output=True, timeout=timeout + 30, check=False)
    return Outcome(result.returncode, result.stdout, result.stderr, time.monotonic() - started)


def shell(script, **more):
    """Runs a script with the guest's shell."""
    return run('busybox', 'sh', '-c', script, **more)


def _read(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read()
    except OSError:
        return ''


def _log_until(pattern, options, timeout):
    """The kernel's log of a boot, once the pattern is in it or the guest has ended."""
    with tempfile.TemporaryDirectory(prefix='hati-test-') as folder:
        path = os.path.join(folder, 'log')
        command = hati_command(('busybox', 'sleep', '100000'), '--log', path, *options,
                               timeout=timeout)
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True) as process:
            while process.poll() is None and not re.search(pattern, _read(path)):
                time.sleep(0.2)
            time.sleep(0.5)   # the rest of a panic
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        return _read(path)


def main_of_server(name, n_cases, *options, timeout=60):
    """Boots with hati.test=NAME, reports the cases that the server NAME-test logs, and exits.

    It logs `ok CASE`, `not ok CASE: why`, and in the end `done`.
    """
    append = ('--append', f'hati.test={name}')
    text = _log_until(rf'{name}-test: done|panic', append + options, timeout)
    cases = [f'{case}:{why}' if case.startswith('not') else case
             for case, why in re.findall(rf'{name}-test: (?:[EW] )?((?:not ok|ok) \w+)(.*)', text)]
    if f'{name}-test: done' not in text or len(cases) < n_cases:
        cases.append(f'not ok {name}: no end')
        print(text[-6000:])
    print('\n'.join(cases))
    sys.exit(1 if any(case.startswith('not ok') for case in cases) else 0)


def main(cases):
    """Runs functions as cases, named by their names; exits with 1 if any failed."""
    n_failed = 0
    for case in cases:
        try:
            case()
            print(f'ok {case.__name__}', flush=True)
        except Failure as error:
            n_failed += 1
            print(f'not ok {case.__name__}: {str(error)[:600]}', flush=True)
        except Exception as error:   # whatever went wrong: the other cases still run
            n_failed += 1
            traceback.print_exc()
            print(f'not ok {case.__name__}: {type(error).__name__}: {error}', flush=True)
    sys.exit(1 if n_failed else 0)
