# SPDX-License-Identifier: MIT
"""For the scripts of this folder: run commands in the guest, report cases."""

import os
import subprocess
import sys
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
