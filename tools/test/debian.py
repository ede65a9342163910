# SPDX-License-Identifier: MIT
"""The suite `programs`: Debian's programs do the same in the guest as on this machine.

Each folder of tests/programs is a group, which is one boot with the root of image/make-debian.sh.
A program of it is an executable script in whatever language, or a .go file, which is compiled into
a static program. All of a group run twice, one after the other, under the same runner
(tests/programs/run-group): by chroot on this machine, the oracle, and in the guest.

What a program prints, stdout and stderr together, is divided by lines "== NAME" into cases; one
passes if its text is the same in both places. The exit status has to be the same, too. Both texts
are kept in build/test.
"""

import glob
import os
import re
import shutil
import subprocess
import tempfile

from results import (EXIT_SKIP, LOG_FOLDER, Case, Result, last_words, log_path_of,
                     run_logged)

_TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_FOLDER = os.path.join(_TOP, 'tests/programs')
_HATI = os.path.join(_TOP, 'hati')
_MEMORY = '3G'
_ROOT_TIMEOUT = 900
_BUILD_TIMEOUT = 300
_PROGRAM_TIMEOUT = 120
_BOOT_SECONDS = 30
_N_BOOTS_MAX = 4
_TIMEOUT_LINE = re.compile(r'^(?:#|//) *timeout: (\d+)', re.MULTILINE)


class Program:
    """One file of a group; `path` is what runs, `reason` why it cannot."""

    def __init__(self, group, source):
        self.source = source
        self.path = source
        self.name = f'programs/{os.path.splitext(os.path.basename(source))[0]}'
        self.word = f'{group}-{os.path.basename(source)}'
        self.reason = None
        with open(source, encoding='utf-8') as file:
            match = _TIMEOUT_LINE.search(file.read(2000))
        self.timeout = int(match[1]) if match else _PROGRAM_TIMEOUT


class Run:
    """What a program did at one place; status None: it did not come to its end."""

    def __init__(self, text, status=None, seconds=0.0):
        self.text = text
        self.status = status
        self.seconds = seconds


def _install(*packages):
    """Installs Debian packages; None, or why that does not work."""
    result = subprocess.run([os.path.join(_TOP, 'tools/setup/install.sh'), *packages],
                            capture_output=True, text=True, check=False)
    return None if result.returncode == 0 else f'no {" ".join(packages)}: ' + \
        last_words(result.stdout + result.stderr)


def _compile_go(program):
    """Makes a static program of a .go file, or says why it cannot."""
    program.reason = _install('golang-go') if shutil.which('go') is None else None
    if program.reason:
        return
    program.path = os.path.join(LOG_FOLDER, program.word)
    folder = os.path.join(LOG_FOLDER, 'go')
    variables = dict(os.environ, CGO_ENABLED='0', GOFLAGS='-trimpath', GOPROXY='off',
                     GO111MODULE='off', GOPATH=folder, GOCACHE=os.path.join(folder, 'cache'))
    command = ['go', 'build', '-ldflags=-s -w', '-o', program.path, program.source]
    text, status = run_logged(command, log_path_of(f'{program.name}-build'), _BUILD_TIMEOUT,
                              env=variables)
    if status != 0:
        program.reason = f'it cannot be built: {last_words(text)}'


def _groups(settings):
    """{group: [Program]} of all that are wanted."""
    groups = {}
    for path in sorted(glob.glob(os.path.join(_FOLDER, '*/*'))):
        group = os.path.basename(os.path.dirname(path))
        if not (path.endswith('.go') or os.access(path, os.X_OK)):
            continue
        program = Program(group, path)
        if settings.wants(program.name) or settings.wants(f'programs/{group}'):
            groups.setdefault(group, []).append(program)
    return groups


# ---- the two places

def _runner_command(programs):
    """The command that runs programs in either place: run-group NAME TIMEOUT ..."""
    command = ['/mnt/run-group']
    for program in programs:
        command += [program.word, str(program.timeout)]
    return command


def _parse(programs, text):
    """{program: Run} of those that were started; the runner marks their beginnings and ends."""
    runs = {}
    for program in programs:
        part = text.partition(f'@start {program.word}\n')
        if not part[1]:
            continue
        body, mark, rest = part[2].partition(f'\n@end {program.word} ')
        runs[program] = Run(part[2])
        if mark:
            status, seconds = rest.split('\n', 1)[0].split()
            runs[program] = Run(body, int(status), float(seconds))
    return runs


def _run_here(group, programs):
    """The oracle: the programs by chroot on this machine."""
    with tempfile.TemporaryDirectory(prefix='hati-test-') as folder:
        os.chmod(folder, 0o755)
        for source, name in [(os.path.join(_FOLDER, 'run-group'), 'run-group')] + \
                [(program.path, program.word) for program in programs]:
            shutil.copy(source, os.path.join(folder, name))
        as_root = [] if os.geteuid() == 0 else ['sudo', '-n']
        command = as_root + [os.path.join(_FOLDER, 'run-here'),
                             os.path.join(_TOP, 'build/debian/root'), folder]
        text, _ = run_logged(command + _runner_command(programs),
                             log_path_of(f'programs/{group}-linux'),
                             sum(program.timeout for program in programs) + 10)
    return _parse(programs, text), text


def _run_in_guest(settings, group, programs, n_boots):
    log_path = log_path_of(f'programs/{group}-boot-{n_boots}')
    seconds = _BOOT_SECONDS + sum(program.timeout for program in programs)
    command = [_HATI, 'run', '--build', settings.build, '--timeout', str(seconds),
               '--log', log_path + '.kernel', '--memory', _MEMORY,
               '--root', os.path.join(_TOP, 'build/debian/root.cpio'),
               '--add', os.path.join(_FOLDER, 'run-group') + ':/mnt/run-group']
    for program in programs:
        command += ['--add', f'{program.path}:/mnt/{program.word}']
    text, _ = run_logged(command + ['--'] + _runner_command(programs), log_path, seconds + 30)
    return _parse(programs, text), text


# ---- comparing

def _sections(text):
    """{case: its lines} in the text's order; what stands before the first has the name `start`."""
    sections = {'start': []}
    lines = sections['start']
    for line in text.split('\n'):
        if line.startswith('== '):
            lines = sections.setdefault(line[3:], [])
        else:
            lines.append(line)
    return {name: lines for name, lines in sections.items() if lines or name != 'start'}


def _difference(ours, theirs):
    """The first line that differs, as a reason."""
    for number, (mine, other) in enumerate(zip(ours, theirs), 1):
        if mine != other:
            return f'line {number} is {mine[:150]!r}, on Linux {other[:150]!r}'
    number = min(len(ours), len(theirs))
    if len(ours) > number:
        return f'line {number + 1} is {ours[number][:150]!r}, on Linux there is none'
    return f'line {number + 1} is missing, on Linux it is {theirs[number][:150]!r}'


def _keep(program, place, run):
    path = os.path.join(LOG_FOLDER, f'{program.name.replace("/", "-")}.{place}')
    with open(path, 'w', encoding='utf-8', errors='surrogateescape') as file:
        file.write(run.text)
    return path


def _compare(program, oracle, run):
    """The Result of a program that ran in both places."""
    _keep(program, 'linux', oracle)
    path = _keep(program, 'hati', run)
    ours, theirs = _sections(run.text), _sections(oracle.text)
    cases = []
    for name, lines in theirs.items():
        if name not in ours:
            cases.append(Case('not ok', name, 'it is missing: ' + last_words(run.text)))
        elif ours[name] != lines:
            cases.append(Case('not ok', name, _difference(ours[name], lines)))
        else:
            cases.append(Case('ok', name))
    cases += [Case('not ok', name, 'Linux does not have it')
              for name in ours.keys() - theirs.keys()]
    if run.status is None:
        cases.append(Case('not ok', 'status', 'it did not end: ' + last_words(run.text)))
    elif run.status != oracle.status:
        cases.append(Case('not ok', 'status', f'{run.status}, on Linux {oracle.status}'))
    return Result(program.name, cases, run.seconds, path)


def _run_group(settings, group, programs):
    """Yields a Result per program; a guest that ends early is booted again for the others."""
    oracles, text = _run_here(group, programs)
    left = []
    for program in programs:
        oracle = oracles.get(program)
        if oracle is None or oracle.status in (None, 137):
            words = last_words(oracle.text if oracle else text)
            yield Result(program.name, [Case('not ok', program.name,
                                             'it does not run on this machine: ' + words)])
        else:
            left.append(program)
    for n_boots in range(_N_BOOTS_MAX):
        if not left:
            return
        runs, text = _run_in_guest(settings, group, left, n_boots)
        if not runs:
            break
        for program, run in runs.items():
            left.remove(program)
            yield _compare(program, oracles[program], run)
    for program in left:
        yield Result(program.name,
                     [Case('not ok', program.name, 'it was not started: ' + last_words(text))])


def _why_not():
    """Why no program can run, or None."""
    if os.geteuid() != 0 and (shutil.which('sudo') is None or subprocess.run(
            ['sudo', '-n', 'true'], capture_output=True, check=False).returncode != 0):
        return 'chroot on this machine needs root'
    text, status = run_logged([os.path.join(_TOP, 'image/make-debian.sh')],
                              log_path_of('programs/root'), _ROOT_TIMEOUT)
    if status == 0:
        return None
    if status == EXIT_SKIP:
        return 'no root of Debian: ' + last_words(text)
    raise RuntimeError(f'image/make-debian.sh fails: {last_words(text)}')


def programs(settings):
    """Debian's programs, by groups."""
    groups = _groups(settings)
    if not groups:
        return
    reason = _why_not()
    for group, members in groups.items():
        for program in members:
            if program.source.endswith('.go') and not reason:
                _compile_go(program)
            if reason or program.reason:
                yield Result(program.name, [Case('skip', program.name, reason or program.reason)])
        members = [program for program in members if not (reason or program.reason)]
        if members:
            yield from _run_group(settings, group, members)
