#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 300
"""A long shell script (tour.txt) gives the same output on Linux and in the guest."""

import difflib
import os
import subprocess
import tempfile

import guest

TOUR = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'tour.txt')


def on_linux(folder):
    """The tour's stdout, stderr and status with this machine's kernel and the same busybox."""
    bin_folder = os.path.join(folder, 'bin')
    os.mkdir(bin_folder)
    names = subprocess.run([guest.BUSYBOX, '--list'], check=True, capture_output=True, text=True)
    for name in names.stdout.split():
        os.symlink(guest.BUSYBOX, os.path.join(bin_folder, name))
    work = os.path.join(folder, 'work')
    os.mkdir(work)
    result = subprocess.run([guest.BUSYBOX, 'sh', TOUR, work], capture_output=True, timeout=60,
                            env={'PATH': bin_folder, 'HOME': '/root'}, check=False,
                            stdin=subprocess.DEVNULL)
    return result.stdout.decode(), result.stderr.decode(), result.returncode


def differences(expected, found):
    lines = difflib.unified_diff(expected.splitlines(), found.splitlines(), 'Linux', 'Hati',
                                 lineterm='', n=1)
    return '\n'.join(list(lines)[:60])


def sections(text):
    """{title: lines} of the tour's output."""
    parts = {}
    title = 'begin'
    for line in text.splitlines():
        if line.startswith('== '):
            title = line[3:]
        else:
            parts.setdefault(title, []).append(line)
    return parts


def main():
    with tempfile.TemporaryDirectory() as folder:
        output, errors, status = on_linux(folder)
    found = guest.run('busybox', 'sh', '-c', 'mkdir /tmp/work; exec busybox sh /tour /tmp/work',
                      options=('--add', f'{TOUR}:/tour'), timeout=200)
    ours = found.text()
    print(differences(output, ours))
    expected_parts, found_parts = sections(output), sections(ours)
    for title, lines in expected_parts.items():
        name = 'tour ' + title
        if found_parts.get(title) == lines:
            print(f'ok {name}')
        else:
            theirs = found_parts.get(title, [])
            at = next((i for i, line in enumerate(lines)
                       if i >= len(theirs) or theirs[i] != line), len(lines))
            wanted = lines[at] if at < len(lines) else 'its end'
            got = theirs[at] if at < len(theirs) else 'nothing'
            print(f'not ok {name}: line {at + 1} is {got!r}, on Linux {wanted!r}')
    for what, ours_is, wanted in (('stdout', ours, output), ('status', found.status, status),
                                  ('stderr', found.errors.decode(), errors)):
        if ours_is == wanted:
            print(f'ok tour_{what}')
        else:
            print(f'not ok tour_{what}: differs from Linux')
            if what == 'stderr':
                print(differences(errors, ours_is))
    raise SystemExit(0 if (ours, found.status) == (output, status) else 1)


if __name__ == '__main__':
    main()
