#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The launcher's command line, as a user meets it: one clear line and exit 2, or the help."""

import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HATI = os.environ.get('HATI', os.path.join(TOP, 'hati'))


def hati(*arguments):
    return subprocess.run([HATI, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=30, check=False)


def usage_error(name, words, *arguments):
    """The arguments give exit status 2 and one line on stderr that holds the words."""
    result = hati(*arguments)
    lines = result.stderr.splitlines()
    if result.returncode != 2:
        return f'not ok {name}: exit status {result.returncode}'
    if result.stdout or len(lines) != 1 or not lines[0].startswith('hati: '):
        return f'not ok {name}: not one line on stderr: {result.stdout!r} {result.stderr!r}'
    missing = [word for word in words if word not in lines[0]]
    return f'not ok {name}: {lines[0]!r} lacks {missing}' if missing else f'ok {name}'


def help_text(name, *arguments):
    result = hati(*arguments)
    options = ('--arch', '--smp', '--memory', '--root', '--add', '--env', '--timeout', '--log',
               '--disk', '--snapshot', '--firmware', '--icount', '--gdb', '--append', '--qemu',
               '--kvm', '124', '125', 'Ctrl-]')
    missing = [word for word in options if word not in result.stdout]
    if result.returncode != 0 or result.stderr or missing:
        return f'not ok {name}: status {result.returncode}, {result.stderr!r}, lacks {missing}'
    return f'ok {name}'


def main():
    lines = [
        help_text('help', '--help'),
        help_text('help_of_run', 'run', '--help'),
        usage_error('no_arguments', ['--help']),
        usage_error('unknown_command', ['boot'], 'boot'),
        usage_error('unknown_option', ['--frobnicate'], 'run', '--frobnicate'),
        usage_error('argument_without_dashes', ['ls', '--'], 'run', 'ls'),
        usage_error('dashes_without_command', ['command'], 'run', '--'),
        usage_error('bad_smp', ['--smp', 'many'], 'run', '--smp', 'many'),
        usage_error('bad_memory', ['--memory', '1Q'], 'run', '--memory', '1Q'),
        usage_error('bad_timeout', ['--timeout', '-3'], 'run', '--timeout', '-3'),
        usage_error('bad_env', ['--env', 'x'], 'run', '--env', 'x'),
        usage_error('missing_root', ['--root', '/nowhere'], 'run', '--root', '/nowhere'),
        usage_error('root_is_a_program', ['disk image'], 'run', '--root', '/bin/busybox'),
        usage_error('disk_without_image', ['--disk', 'image'], 'run', '--disk', 'nvme'),
        usage_error('snapshot_of_a_folder', ['--snapshot'], 'run', '--snapshot', '--root', '/tmp'),
        usage_error('firmware_without_image', ['--firmware', 'image'], 'run', '--firmware', 'ovmf'),
        usage_error('other_firmware', ['coreboot'], 'run', '--firmware', 'coreboot'),
        usage_error('other_disk', ['floppy'], 'run', '--disk', 'floppy'),
        usage_error('missing_addition', ['/nowhere'], 'run', '--add', '/nowhere:/x'),
        usage_error('bad_addition', ['HOSTPATH'], 'run', '--add', '/etc/passwd'),
        usage_error('other_architecture', ['riscv64'], 'run', '--arch', 'riscv64'),
        usage_error('log_cannot_be_written', ['--log'], 'run', '--log', '/nowhere/log'),
        usage_error('unbalanced_quotes', ['--qemu'], 'run', '--qemu', "'x"),
    ]
    print('\n'.join(lines))
    return any(line.startswith('not') for line in lines)


if __name__ == '__main__':
    sys.exit(main())
