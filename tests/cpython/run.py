#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs CPython's own tests in Hati and on Linux 6.1, and compares them case by case.

    run.py [--build TYPE] [--linux KERNEL] [--again] [MODULE...]

    --build TYPE    which build of Hati: release (default) or debug
    --linux KERNEL  a bzImage; by default Debian's, which bench/fetch-linux.sh downloads
    --again         run the modules on Linux again; else what is known from an earlier run counts
    MODULE          of tests/cpython/modules; all by default, which takes a quarter of an hour

Both run as root in the same root file system (image/make-debian.sh, all of it in a tmpfs), in QEMU
with two processors and the same amount of memory. It prints a table, and each case that passes on
Linux only; the reports are kept in build/cpython. It fails if there is such a case.
"""

import argparse
import glob
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

_HERE = os.path.dirname(os.path.abspath(__file__))
_TOP = os.path.dirname(os.path.dirname(_HERE))
_OUT = os.path.join(_TOP, 'build/cpython')
_ROOT = os.path.join(_TOP, 'build/debian/root.cpio')
_MEMORY = '3G'
_BOOT_SECONDS = 120

sys.path.insert(0, os.path.join(_TOP, 'tools/launcher'))
import cpio  # noqa: E402

PASSED, SKIPPED, FAILED = 'passed', 'skipped', 'failed'


def _lines(name):
    """The lines of a list beside this program, without comments."""
    with open(os.path.join(_HERE, name), encoding='utf-8') as file:
        return [line.strip() for line in file if line.strip() and not line.startswith('#')]


class Report:
    """What a module said: {case: verdict}, or why it said nothing."""

    def __init__(self, text):
        self.cases = {}
        self.reason = None
        try:
            suites = ElementTree.fromstring(text.strip())
        except ElementTree.ParseError:
            self.reason = ' / '.join(text.strip().split('\n')[-3:]) or 'nothing'
            return
        for case in suites.iter('testcase'):
            self._add(case.get('name'), case)

    def _add(self, name, case):
        verdict = PASSED
        if case.find('skipped') is not None:
            verdict = SKIPPED
        if case.find('error') is not None or case.find('failure') is not None:
            verdict = FAILED
        # A case that fails in several parts is reported several times.
        if self.cases.get(name) != FAILED:
            self.cases[name] = verdict

    def count(self, verdict):
        return sum(1 for value in self.cases.values() if value == verdict)

    def row(self):
        """ran, passed, skipped, failed"""
        if self.reason:
            return ['-', '-', '-', 'all']
        return [str(len(self.cases))] + [str(self.count(v)) for v in (PASSED, SKIPPED, FAILED)]


# ---- running

def _run(command, seconds, **options):
    """Runs a command that prints what run-modules does; its output as text."""
    try:
        result = subprocess.run(command, stdout=subprocess.PIPE, timeout=seconds, check=False,
                                stdin=subprocess.DEVNULL, **options)
        output = result.stdout
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b''
    return output.decode('utf-8', 'replace').replace('\r\n', '\n')


def _save(place, text):
    """Divides what run-modules has printed into files NAME.PLACE in build/cpython."""
    for part in text.split('\n@start ')[1:]:
        name, _, rest = part.partition('\n')
        body, mark, _ = rest.partition(f'\n@end {name} ')
        with open(os.path.join(_OUT, f'{name}.{place}'), 'w', encoding='utf-8') as file:
            file.write(body if mark else f'{body}\nit did not end')


def _load(name, place):
    path = os.path.join(_OUT, f'{name}.{place}')
    if not os.path.exists(path):
        return None
    with open(path, encoding='utf-8') as file:
        return Report(file.read())


def _run_in_hati(modules, seconds, build):
    _save('hati', _run(
        [os.path.join(_TOP, 'hati'), 'run', '--build', build, '--memory', _MEMORY,
         '--timeout', str(seconds), '--log', os.path.join(_OUT, 'hati.log'), '--root', _ROOT,
         '--add', f'{modules}:/mnt/modules', '--add', f'{_HERE}/run-modules:/mnt/run-modules',
         '--', '/mnt/run-modules'], seconds + 60))


def _write_overlay(path, modules):
    with open(path, 'wb') as stream:
        writer = cpio.Writer(stream)
        for name, source in (('init', f'{_HERE}/linux-init'), ('mnt/modules', modules),
                             ('mnt/run-modules', f'{_HERE}/run-modules')):
            with open(source, 'rb') as file:
                writer.file(name, file.read(), 0o755)
        writer.finish()


def _run_on_linux(modules, seconds, kernel):
    if kernel is None:
        kernel = subprocess.run([os.path.join(_TOP, 'bench/fetch-linux.sh'),
                                 os.path.join(_TOP, 'build/bench')],
                                stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    initrd = os.path.join(_OUT, 'linux.cpio')
    _write_overlay(initrd + '.overlay', modules)
    with open(initrd, 'wb') as output:
        subprocess.run(['cat', _ROOT, initrd + '.overlay'], stdout=output, check=True)
    _save('linux', _run(
        ['timeout', '-s', 'KILL', str(seconds), 'qemu-system-x86_64', '-M', 'q35', '-cpu', 'max',
         '-accel', 'tcg,thread=multi', '-smp', '2', '-m', _MEMORY, '-nodefaults', '-no-reboot',
         '-display', 'none', '-serial', 'stdio', '-kernel', kernel, '-initrd', initrd,
         '-append', 'console=none panic=-1 rdinit=/init'], seconds + 60))
    os.remove(initrd)


# ---- comparing

def _compare(name, hati, linux):
    """[(case, verdict in Hati)] of what passes on Linux only."""
    if hati is None or hati.reason:
        return [(name, hati.reason if hati else 'not run')]
    return [(case, hati.cases.get(case, 'missing'))
            for case, verdict in sorted(linux.cases.items())
            if verdict == PASSED and hati.cases.get(case) != PASSED]


def _print_table(names):
    """The table, and what differs; how many cases do."""
    columns = '| {:18} | {:>5} {:>7} {:>8} {:>7} | {:>5} {:>7} {:>8} {:>7} | {}'
    differences = []
    print(columns.format('module', 'ran', 'passed', 'skipped', 'failed',
                         'ran', 'passed', 'skipped', 'failed', 'same'))
    print(columns.format('', 'Hati', '', '', '', 'Linux', '', '', '', ''))
    for name in names:
        hati, linux = _load(name, 'hati'), _load(name, 'linux')
        if linux is None or linux.reason:
            differences.append((name, f'does not run on Linux: {linux and linux.reason}'))
            continue
        missing = _compare(name, hati, linux)
        differences += missing
        print(columns.format(name, *(hati.row() if hati else ['-'] * 4), *linux.row(),
                             'NO' if missing else 'yes'))
    for case, verdict in differences:
        print(f'{case}: {verdict}')
    return len(differences)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='release')
    parser.add_argument('--linux')
    parser.add_argument('--again', action='store_true')
    parser.add_argument('modules', nargs='*')
    options = parser.parse_args()

    seconds = dict(line.split() for line in _lines('modules'))
    names = options.modules or list(seconds)
    unknown = [name for name in names if name not in seconds]
    if unknown:
        sys.exit(f'run.py: no such module: {" ".join(unknown)}')
    os.makedirs(_OUT, exist_ok=True)
    subprocess.run([os.path.join(_TOP, 'image/make-debian.sh')], check=True)

    def run(runner, wanted, *arguments):
        total = _BOOT_SECONDS + sum(int(seconds[name]) for name in wanted)
        path = os.path.join(_OUT, 'modules')
        with open(path, 'w', encoding='utf-8') as file:
            file.writelines(f'{name} {seconds[name]}\n' for name in wanted)
        runner(path, total, *arguments)

    for path in [p for name in names for p in glob.glob(os.path.join(_OUT, f'{name}.hati'))]:
        os.remove(path)
    for_linux = [name for name in names if options.again or _load(name, 'linux') is None]
    if for_linux:
        run(_run_on_linux, for_linux, options.linux)
    run(_run_in_hati, names, options.build)
    sys.exit(1 if _print_table(names) else 0)


if __name__ == '__main__':
    main()
