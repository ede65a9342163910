# SPDX-License-Identifier: MIT
"""The suites that `make test` runs; each is a function that yields Results.

host    unit tests and arch/sim: what meson.build registers in the native build
complete  whether arch/sim's tests saw every error that hel's definition has
tools   tests of the tools, tools/*/test-*.py, and tidy
kernel  thor's self-test and the kernel-test program: one boot, their lines are in the log
linux   static Linux programs of tests/linux: first on this machine, the oracle, then in the guest
programs  Debian's programs, in the guest and on this machine: debian.py
system  tests/system/*.py and *.sh: each boots the system as it likes
"""

import concurrent.futures
import contextlib
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import debian
from results import (Case, Result, cases_of, kill_group, log_path_of, parse_cases, run_logged,
                     run_program)

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HATI = os.path.join(TOP, 'hati')
HOST_BUILD = os.path.join(TOP, 'build/host')
WITNESS_FOLDER = os.path.join(TOP, 'build/test/witness')

_TIMEOUT_LINE = re.compile(r'^(?:#|//|/\*| \*) *timeout: (\d+)', re.MULTILINE)
_SYSTEM_TIMEOUT = 120
_TOOL_TIMEOUT = 60
_KERNEL_TIMEOUT = 120
_LINUX_PROGRAM_TIMEOUT = 60
_LINUX_BOOT_TIMEOUT = 300
_N_LINUX_BOOTS_MAX = 6


class Settings:
    """Which build, which tests, how many at once."""

    def __init__(self, build, only, n_jobs):
        self.build = build
        self.guest_build = os.path.join(TOP, f'build/x86_64-{build}')
        self.only = only
        self.n_jobs = n_jobs

    def wants(self, name):
        return not self.only or any(word in name for word in self.only)


def _environment(settings):
    variables = dict(os.environ)
    variables.update(HATI=HATI, HATI_BUILD=settings.build, HATI_TOP=TOP,
                     HATI_GUEST_BUILD=settings.guest_build,
                     UBSAN_OPTIONS='print_stacktrace=1:halt_on_error=1')
    return variables


def _run_parallel(settings, jobs):
    """jobs: functions without arguments that return a Result each."""
    with concurrent.futures.ThreadPoolExecutor(settings.n_jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(job) for job in jobs]):
            yield done.result()


def host(settings):
    """Unit tests of the native build."""
    listing = subprocess.run(['meson', 'introspect', '--tests', HOST_BUILD], check=True,
                             capture_output=True, text=True)
    jobs = []
    shutil.rmtree(WITNESS_FOLDER, ignore_errors=True)
    os.makedirs(WITNESS_FOLDER)
    for test in json.loads(listing.stdout):
        suite = test['suite'][0].rpartition(':')[2] if test['suite'] else ''
        name = '/'.join(part for part in ('host', suite, test['name']) if part)
        if not settings.wants(name):
            continue
        variables = _environment(settings) | test['env']
        if suite == 'thor':
            variables['HATI_WITNESS'] = WITNESS_FOLDER
        jobs.append(lambda name=name, test=test, variables=variables: run_program(
            name, test['cmd'], test['timeout'] or 60, env=variables,
            cwd=test['workdir'] or HOST_BUILD))
    yield from _run_parallel(settings, jobs)


def complete(settings):
    """Whether the tests over arch/sim saw each error that hel's definition has, and no other."""
    name = 'hel/complete'
    if settings.wants('host/thor/'):
        yield run_program(name, [sys.executable, '-B', os.path.join(TOP, 'tools/hel/complete.py'),
                                 WITNESS_FOLDER], _TOOL_TIMEOUT)


def tools(settings):
    """Tests of the tools; tidy is one of them."""
    scripts = []
    # bragi's tests are in meson.build
    for folder in ('docs', 'hel', 'launcher', 'test', 'tidy', 'trace'):
        scripts += sorted(glob.glob(os.path.join(TOP, 'tools', folder, 'test-*.py')))
    scripts += sorted(glob.glob(os.path.join(TOP, 'tests/models/test-*.py')))
    scripts += [os.path.join(TOP, 'tools/tidy/tidy.py'), os.path.join(TOP, 'tools/docs/docs.py')]
    jobs = []
    for script in scripts:
        name = 'tools/' + os.path.splitext(os.path.basename(script))[0]
        if os.path.exists(script) and settings.wants(name):
            more = ['--check'] if name == 'tools/docs' else []
            jobs.append(lambda name=name, script=script, more=more: run_program(
                name, [sys.executable, '-B', script, *more], _TOOL_TIMEOUT,
                env=_environment(settings), cwd=TOP))
    yield from _run_parallel(settings, jobs)


# ---- kernel tests in the guest

_KERNEL_LINE = re.compile(r'(?:^|[\s:\]])((?:not ok|ok|skip) \S.*)$')
_KERNEL_DONE = 'kernel-test: done'
_KERNEL_DEVICES = '-device edu,addr=0x10 -device edu,addr=0x14'   # on one interrupt line


def _kernel_lines(text):
    """The case lines of a log, without the prefix that the kernel gives each line."""
    lines = []
    for line in text.splitlines():
        if any(word in line for word in ('kernel-test', 'self-test')) or \
                line.startswith(('ok ', 'not ok ')):
            match = _KERNEL_LINE.search(line)
            if match:
                lines.append(match[1])
    return '\n'.join(lines)


def _read(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read()
    except OSError:
        return ''


def kernel(settings):
    """thor's self-test, and the kernel-test program, which svrctl starts if it is asked to."""
    name = 'kernel/guest'
    if not settings.wants(name):
        return
    started = time.monotonic()
    log_path = log_path_of(name)
    os.makedirs(os.path.dirname(log_path), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(log_path)   # or its end would be taken for that of this run
    process = subprocess.Popen(
        [HATI, 'run', '--build', settings.build, '--append', 'thor.selftest hati.test=kernel',
         '--log', log_path, '--timeout', str(_KERNEL_TIMEOUT), '--qemu', _KERNEL_DEVICES,
         '--', 'busybox', 'sleep', '1000'],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True)
    while process.poll() is None and _KERNEL_DONE not in _read(log_path):
        time.sleep(0.2)
    ended = process.poll()
    if ended is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            pass
    kill_group(process)
    text = _read(log_path)
    cases = parse_cases(_kernel_lines(text))
    if _KERNEL_DONE not in text:
        cases.append(Case('not ok', name, f'it did not come to its end (launcher: {ended})'))
    yield Result(name, cases, time.monotonic() - started, log_path)


# ---- Linux programs: this machine is the oracle

def _linux_programs(settings):
    """{name: path} of the static programs that tests/linux/meson.build makes."""
    folder = os.path.join(settings.guest_build, 'tests/linux')
    programs = {}
    for path in sorted(glob.glob(os.path.join(folder, '*'))):
        if os.path.isfile(path) and os.access(path, os.X_OK):
            programs['linux/' + os.path.basename(path)] = path
    return {name: path for name, path in programs.items() if settings.wants(name)}


def _run_oracle(settings, name, path):
    """The program's Result on this machine, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix='hati-test-') as folder:
        return run_program(name.replace('linux/', 'oracle/'), [path], _LINUX_PROGRAM_TIMEOUT,
                           env=_environment(settings) | {'TMPDIR': folder}, cwd=folder)


def _guest_script(programs, n_seconds):
    lines = ['#!/bin/sh', 'cd /tmp']
    for name, path in programs.items():
        program = os.path.basename(path)
        lines += [f'echo "@start {name}"',
                  f'timeout -s KILL {n_seconds} /test/{program} </dev/null 2>&1',
                  f'echo "@end {name} $?"']
    return '\n'.join(lines) + '\n'


def _boot_programs(settings, programs, log_path):
    """Runs programs in one guest; ({name: (text, status)} of those that ended, all output)."""
    with tempfile.TemporaryDirectory(prefix='hati-test-') as folder:
        script = os.path.join(folder, 'script')
        with open(script, 'w', encoding='utf-8') as file:
            file.write(_guest_script(programs, _LINUX_PROGRAM_TIMEOUT))
        os.chmod(script, 0o755)
        command = [HATI, 'run', '--build', settings.build, '--timeout', str(_LINUX_BOOT_TIMEOUT),
                   '--log', log_path + '.kernel', '--add', f'{script}:/test/run-all']
        for path in programs.values():
            command += ['--add', f'{path}:/test/{os.path.basename(path)}']
        text, _ = run_logged(command + ['--', '/bin/sh', '/test/run-all'], log_path,
                             _LINUX_BOOT_TIMEOUT + 30)
    ended = {}
    for name in programs:
        part = text.partition(f'@start {name}\n')[2]
        body, mark, rest = part.partition(f'@end {name} ')
        if mark:
            ended[name] = (body, int(rest.split('\n', 1)[0] or 0))
    return ended, text


def _compare(oracle, name, text, status, seconds, log_path):
    """The Result in the guest; a case of the oracle that is missing here has failed."""
    cases = cases_of(name, text, status)
    seen = {case.name for case in cases}
    cases += [Case('not ok', case.name, 'it passes on Linux and is missing here')
              for case in oracle.cases if case.verdict == 'ok' and case.name not in seen
              and case.name != oracle.name]
    return Result(name, cases, seconds, log_path)


def linux(settings):
    """Static Linux programs, on Linux and in the guest, as few boots as crashes allow."""
    programs = _linux_programs(settings)
    oracles = {}
    for name, path in programs.items():
        oracles[name] = _run_oracle(settings, name, path)
        if oracles[name].count('not ok'):
            yield oracles[name]   # the test itself is wrong
    for n_boots in range(_N_LINUX_BOOTS_MAX):
        if not programs:
            return
        started = time.monotonic()
        log_path = log_path_of(f'linux-boot-{n_boots}')
        ended, text = _boot_programs(settings, programs, log_path)
        seconds = (time.monotonic() - started) / (len(ended) or 1)
        for name, (body, status) in ended.items():
            del programs[name]
            yield _compare(oracles[name], name, body, status, seconds, log_path)
        for name in list(programs):   # the first that did not end took the guest with it
            del programs[name]
            body = text.partition(f'@start {name}\n')[2]
            yield _compare(oracles[name], name, body, None, seconds, log_path)
            break
    for name in programs:
        yield Result(name, [Case('not ok', name, 'not run: the guest ended too often')])


# ---- whole-system tests

def _timeout_of(path, default):
    with open(path, encoding='utf-8', errors='replace') as file:
        match = _TIMEOUT_LINE.search(file.read(4000))
    return int(match[1]) if match else default


def system(settings):
    """Scripts that boot the system; one at a time, for they measure time and use all CPUs."""
    scripts = glob.glob(os.path.join(TOP, 'tests/system/*.py'))
    scripts += glob.glob(os.path.join(TOP, 'tests/system/*.sh'))
    for script in sorted(scripts):
        name = 'system/' + os.path.splitext(os.path.basename(script))[0]
        if not os.access(script, os.X_OK) or not settings.wants(name):
            continue   # helpers that scripts import are not executable
        with tempfile.TemporaryDirectory(prefix='hati-test-') as folder:
            yield run_program(name, [script], _timeout_of(script, _SYSTEM_TIMEOUT), cwd=folder,
                              env=_environment(settings) | {'TMPDIR': folder})


ALL = (host, complete, tools, kernel, linux, debian.programs, system)
