# SPDX-License-Identifier: MIT
"""Results of tests: programs that print a line per case, and how they are shown and counted.

    ok NAME
    not ok NAME: why
    skip NAME: why

A program that prints no such line is one case, which passes if it exits with 0 and is skipped if it
exits with 77. A program that fails without having said "not ok" has crashed: one more failed case.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time

EXIT_SKIP = 77
_LINE = re.compile(r'^\s*(ok|not ok|skip) ([^:\n]+?)(?:: (.*))?$')
_PRINT_LOCK = threading.Lock()
_TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOG_FOLDER = os.path.join(_TOP, 'build/test')


class Case:
    """One case: verdict is 'ok', 'not ok' or 'skip'."""

    def __init__(self, verdict, name, reason=''):
        self.verdict = verdict
        self.name = name
        self.reason = reason


class Result:
    """The cases of one program."""

    def __init__(self, name, cases, seconds=0.0, log_path=None):
        self.name = name
        self.cases = cases
        self.seconds = seconds
        self.log_path = log_path

    def count(self, verdict):
        return sum(case.verdict == verdict for case in self.cases)

    def show(self):
        """Prints one line for the program and one for each case that did not pass."""
        words = [f'{self.count("ok")} passed']
        words += [f'{self.count(v)} {word}' for v, word in (('not ok', 'failed'),
                                                            ('skip', 'skipped')) if self.count(v)]
        head = 'FAIL' if self.count('not ok') else 'ok  '
        with _PRINT_LOCK:
            print(f'{head} {self.name}: {", ".join(words)} ({self.seconds:.1f} s)')
            for case in self.cases:
                if case.verdict != 'ok':
                    print(f'       {case.verdict} {case.name}: {case.reason}')
            if self.count('not ok') and self.log_path:
                print(f'       log: {os.path.relpath(self.log_path)}')
            # the next lines may come minutes later
            sys.stdout.flush()


def parse_cases(text):
    """The cases that a text names, in its order."""
    cases = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            cases.append(Case(match[1], match[2].strip(), match[3] or ''))
    return cases


def last_words(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else 'no output'


def cases_of(name, text, status):
    """The cases of a program that has printed text and exited with status (None: timeout)."""
    cases = parse_cases(text)
    failed = any(case.verdict == 'not ok' for case in cases)
    if status is None:
        return cases + [Case('not ok', name, 'it did not end in time')]
    if not cases:
        if status == EXIT_SKIP:
            return [Case('skip', name, last_words(text))]
        if status == 0:
            return [Case('ok', name)]
    if status != 0 and not failed:
        cases.append(Case('not ok', name, f'exit status {status}: {last_words(text)}'))
    return cases


def kill_group(process):
    """Ends a process that was started in a session of its own, with all its children."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run_logged(command, log_path, timeout, **more):
    """Runs a command with its output in a file; (its output, its status or None on timeout)."""
    os.makedirs(os.path.dirname(log_path), exist_ok=True)
    with open(log_path, 'wb') as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT, start_new_session=True, **more)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.terminate()   # a launcher ends its guest then
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                pass
            status = None
        finally:
            kill_group(process)
    with open(log_path, encoding='utf-8', errors='replace') as log:
        return log.read(), status


def log_path_of(name):
    return os.path.join(LOG_FOLDER, name.replace('/', '-') + '.log')


def run_program(name, command, timeout, **more):
    """Runs one test program and returns its Result."""
    started = time.monotonic()
    path = log_path_of(name)
    text, status = run_logged(command, path, timeout, **more)
    if status is not None and status < 0:
        status = 128 - status
    seconds = time.monotonic() - started
    return Result(name, cases_of(name, text, status), seconds, path)
