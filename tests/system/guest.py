# SPDX-License-Identifier: MIT
"""For the scripts of this folder: run commands in the guest, report cases."""

import json
import os
import re
import shutil
import signal
import socket
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

# where mke2fs and others are, which a user's own PATH does not name on Debian
os.environ['PATH'] = os.environ.get('PATH', '/usr/bin:/bin') + ':/usr/sbin:/sbin'


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


class Boot:
    """A guest that runs until the end of `with Boot(...) as boot:`.

    The kernel's log, and what the command has written, can be read at any time."""

    def __init__(self, *options, command=('busybox', 'sleep', '100000'), timeout=60):
        self._folder = tempfile.TemporaryDirectory(prefix='hati-test-')
        self._log_path = os.path.join(self._folder.name, 'log')
        self._output_path = os.path.join(self._folder.name, 'output')
        words = hati_command(command, '--log', self._log_path, *options, timeout=timeout)
        with open(self._output_path, 'wb') as output:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output,
                                             stderr=subprocess.DEVNULL, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait()
        self._folder.cleanup()

    @staticmethod
    def _read(path):
        try:
            with open(path, encoding='utf-8', errors='replace') as file:
                return file.read()
        except OSError:
            return ''

    def log(self):
        return self._read(self._log_path)

    def output(self):
        return self._read(self._output_path)

    def wait_until(self, condition):
        """Waits until condition() is true; False: the guest has ended before."""
        while not condition():
            if self._process.poll() is not None:
                return bool(condition())
            time.sleep(0.2)
        return True

    def wait_for_log(self, pattern):
        """Waits until the pattern is in the log, or all of a panic."""
        self.wait_until(lambda: re.search(f'{pattern}|panic', self.log()))
        if 'panic' in self.log():
            time.sleep(1)


class Monitor:
    """QEMU's monitor (QMP), for a guest with `options` of it."""

    def __init__(self, folder):
        self._path = os.path.join(folder, 'qmp')
        self.options = ('--qemu', f'-qmp unix:{self._path},server=on,wait=off')
        self._file = None
        self._events = []

    def _connect(self):
        deadline = time.monotonic() + 60
        while self._file is None:
            try:
                connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                connection.connect(self._path)
                connection.settimeout(60)
                self._file = connection.makefile('rw')
            except OSError:
                connection.close()
                check(time.monotonic() < deadline, 'QEMU has no monitor')
                time.sleep(0.1)
        self._receive()   # what it is
        self.command('qmp_capabilities')

    def _receive(self):
        line = self._file.readline()
        check(line, 'QEMU has ended')
        message = json.loads(line)
        if 'event' in message:
            self._events.append(message)
        return message

    def command(self, name, **arguments):
        """What QEMU returns; fails if it refuses."""
        if self._file is None:
            self._connect()
        self._file.write(json.dumps({'execute': name, 'arguments': arguments}) + '\n')
        self._file.flush()
        while True:
            message = self._receive()
            check('error' not in message, f'{name}: {message}')
            if 'return' in message:
                return message['return']

    def wait_for(self, event, **data):
        """Waits for an event with such data, which may have come before."""
        while True:
            for message in self._events:
                if message['event'] == event and data.items() <= message['data'].items():
                    self._events.remove(message)
                    return
            self._receive()


_SIGNS_OF_LIFE = ('busybox', 'sh', '-c', 'echo a program runs >/dev/kmsg; '
                  'while busybox true; do echo alive; busybox sleep 0.1; done; echo dead')


def _case_of_life(boot):
    """Whether the command _SIGNS_OF_LIFE goes on."""
    before = boot.output().count('alive')
    boot.wait_until(lambda: boot.output().count('alive') > before + 2 or 'panic' in boot.log())
    output = boot.output()
    if output.count('alive') > before + 2 and 'dead' not in output:
        return 'ok programs_go_on'
    return f'not ok programs_go_on: {before} signs of life, then {output[-300:]!r}'


def cases_of_program(test, *options, name=None, settings='', n_cases=1, is_alone=True,
                     end='panic', timeout=60):
    """Boots with hati.test=TEST, returns the cases that a native program of it logs.

    The program's lines begin with its name, which is TEST if there is none: `ok CASE`, `not ok
    CASE: why`, and in the end `done`; what else it says is printed. `settings` are further words
    of the kernel's command line. Not alone, a Linux program has to go on meanwhile, for which the
    test waits first. Nothing more is expected of a guest whose log says `end`."""
    name = name or test
    cases = []
    command = {} if is_alone else {'command': _SIGNS_OF_LIFE}
    settings += '' if is_alone else f' {name}.waits=1'
    with Boot('--append', f'hati.test={test} {settings}', *options, timeout=timeout,
              **command) as boot:
        boot.wait_for_log(f'{name}: done|{end}')
        others = [] if is_alone else [_case_of_life(boot)]
        text = boot.log()
    for line in text.splitlines():
        case = re.search(rf'{name}: (?:[EW] )?((?:not ok|ok) .*)', line)
        if case is not None:
            cases.append(case[1])
        elif f'{name}:' in line or re.search(f'panic|{end}', line):
            print('#', line)
    if f'{name}: done' not in text or len(cases) < n_cases:
        cases.append(f'not ok {name}: no end {settings}')
    cases += others
    if any(case.startswith('not ok') for case in cases):
        print(text[-6000:])
    return cases


def options_of_program(name):
    """Options of the launcher that bring a program of this machine along, as /NAME, with the
    libraries that it needs; None if it is not to be had. Debian's package has its name."""
    subprocess.run(['sh', os.path.join(TOP, 'tools/setup/install.sh'), name], check=False,
                   capture_output=True)
    path = shutil.which(name)
    if path is None:
        return None
    libraries = subprocess.run(['ldd', path], capture_output=True, text=True, check=True).stdout
    files = {os.path.realpath(file): file for file in re.findall(r'(/\S+) \(', libraries)}
    files[os.path.realpath(path)] = f'/{name}'
    return [word for host, guests in files.items() for word in ('--add', f'{host}:{guests}')]


def report(cases):
    """Prints such cases and exits."""
    print('\n'.join(cases))
    sys.exit(1 if any(case.startswith('not ok') for case in cases) else 0)


def main_of_program(test, *options, **settings):
    """Boots with hati.test=TEST, reports its cases, and exits."""
    report(cases_of_program(test, *options, **settings))


def main_of_server(test, n_cases, *options, timeout=60):
    """The same for the server TEST-test."""
    main_of_program(test, *options, name=f'{test}-test', n_cases=n_cases, timeout=timeout)


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
