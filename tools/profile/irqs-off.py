#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The longest stretches with interrupts off in thor, in executed instructions.

    tools/profile/irqs-off.py [--build release] [--lines 10] [--calls N] [--seed N] [--tsv FILE]

Boots the kernel's benchmark, the kernel's tests and tests/torture, with one CPU that counts
instructions as time (--icount) and with several, under the plugin irqs-off.c, and prints the
longest stretches: instructions, what entered the kernel, the functions at its beginning, and those
that it was in most. --tsv appends rows for build/bench/thor.tsv: irqs_off.max, and irqs_off.boot
for what runs before the first entry of user mode.
"""

import argparse
import collections
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time

from profile import Program

_TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_PLUGIN = os.path.join(_TOP, 'build/host/tools/profile/irqs-off.so')
_TIMEOUT = 600
_EDU = ['--qemu', '-device edu,addr=0x10 -device edu,addr=0x14']   # as tools/test/suites.py
# On the way to what tells one stretch from another.
_ENTRANCES = {
    'entry_syscall', 'thor_enter_call', 'call_make', 'call_enter_paused', 'call_resume',
    'entry_leave_sysret', 'entry_leave_iret', 'entry_stubs', 'entry_common', 'entry_from_kernel',
    'exception_from_user', 'exception_from_kernel', 'exception_interrupt', 'exception_fault',
    'entry_idle', 'entry_wait_end', 'arch__wait_briefly', 'arch_timer_set', 'lapic_timer_arm',
    'lapic_end_of_interrupt', 'clock_timer_fired', 'arch_clock_ns',
}


class Stretch:
    """One that is the longest of those that were entered in the same way."""

    def __init__(self, workload, line, thor):
        kind, length, end, first, *marks = line.split()
        self.workload = workload
        self.is_boot = kind == 'boot'
        self.length = int(length)
        self.end = _name(thor, end)
        self.path = list(dict.fromkeys(_name(thor, address) for address in first.split(',')))
        names = (_name(thor, address) for address in (marks[0].split(',') if marks else ()))
        self.hot = collections.Counter(names)
        own = [name for name in self.path if name not in _ENTRANCES]
        self.what = own[0] if own else self.path[-1]


def _name(thor, address):
    return re.sub(r'\.llvm\.\d+$', '', thor.function_at(int(address, 16)))


def _read(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read()
    except OSError:
        return ''


def run(build, append, options, ending):
    """Boots until the log says that the work is done; the plugin's lines."""
    with tempfile.TemporaryDirectory(prefix='hati-irqs-off-') as folder:
        out, log = os.path.join(folder, 'out'), os.path.join(folder, 'log')
        command = [os.path.join(_TOP, 'hati'), 'run', '--build', build, '--timeout', str(_TIMEOUT),
                   '--log', log, '--append', 'nokaslr ' + append, *options,
                   '--qemu', f'-plugin file={_PLUGIN},out={out}',
                   '--', 'busybox', 'sleep', '100000']
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and not re.search(ending + '|panic', _read(log)):
                time.sleep(0.2)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(3)   # servers turn the machine off; a panic prints its backtrace
            process.terminate()
            process.terminate()
        if ending not in _read(log):
            sys.exit(f'irqs-off.py: no end of "{append}":\n' + _read(log)[-3000:])
        # The last line may have been cut off.
        return [line for line in _read(out).splitlines(keepends=True) if line.endswith('\n')]


def workloads(n_calls, seed):
    """(name, command line of the kernel, options, what the log says in the end)"""
    torture = f'hati.test=torture torture.calls={n_calls} torture.seed={seed}'
    tests = 'thor.selftest hati.test=kernel'
    return [
        ('benchmark', 'hati.bench=thor', ['--icount'], 'thor-bench: done'),
        ('tests', tests, ['--icount', *_EDU], 'kernel-test: done'),
        ('tests, 2 CPUs', tests, ['--smp', '2', *_EDU], 'kernel-test: done'),
        ('torture', torture, ['--icount'], 'torture: done'),
        ('torture, 4 CPUs', torture, ['--smp', '4'], 'torture: done'),
    ]


def longest_by_entrance(stretches):
    found = {}
    for stretch in stretches:
        key = stretch.is_boot, stretch.what
        if key not in found or found[key].length < stretch.length:
            found[key] = stretch
    return sorted(found.values(), key=lambda stretch: -stretch.length)


def print_stretches(stretches, n_lines):
    for stretch in stretches[:n_lines]:
        print(f'{stretch.length:8} {stretch.what}, in {stretch.workload}, until {stretch.end}')
        print('           first: ' + ' '.join(stretch.path[:16]))
        print('           then:  ' + ', '.join(f'{name} {100 * n // stretch.hot.total()} %'
                                              for name, n in stretch.hot.most_common(5)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--build', default='release', choices=('debug', 'release'))
    parser.add_argument('--lines', type=int, default=10)
    parser.add_argument('--calls', type=int, default=100000)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--tsv', metavar='FILE')
    options = parser.parse_args()
    thor = Program(os.path.join(_TOP, f'build/x86_64-{options.build}/kernel/thor/thor'))
    stretches = []
    for name, append, flags, ending in workloads(options.calls, options.seed):
        lines = run(options.build, append, flags, ending)
        stretches += [Stretch(name, line, thor) for line in lines]
    longest = longest_by_entrance(stretches)
    running = [stretch for stretch in longest if not stretch.is_boot]
    boot = [stretch for stretch in longest if stretch.is_boot]
    print_stretches(running, options.lines)
    if options.tsv:
        with open(options.tsv, 'a', encoding='ascii') as file:
            file.write(f'irqs_off.max\t{running[0].length}\tinstructions\n')
            file.write(f'irqs_off.boot\t{boot[0].length}\tinstructions\n')


if __name__ == '__main__':
    main()
