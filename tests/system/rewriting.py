#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 600
"""System calls that are rewritten: the programs of tests/linux find nothing else than they do
otherwise, and neither does a dynamic program."""

import glob
import os
import re

import guest
from guest import check, check_equal

_ON = ('--append', 'hati.rewrite=on')
_SECONDS = 60   # for a program

_SCRIPT = '''cd /tmp
for program in /test/*; do
    echo "@start $program"
    REWRITTEN=1 timeout -s KILL {seconds} $program </dev/null 2>&1
    echo "@end $program $?"
done
'''


def linux_programs():
    paths = sorted(glob.glob(os.path.join(guest.BUILD_FOLDER, 'tests/linux/*')))
    return [path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)]


def programs():
    paths = linux_programs()
    options = list(_ON)
    for path in paths:
        options += ['--add', f'{path}:/test/{os.path.basename(path)}']
    outcome = guest.shell(_SCRIPT.format(seconds=_SECONDS), options=options, timeout=500)
    text = outcome.text()
    failed = re.findall(r'^not ok .*', text, re.MULTILINE)
    check(not failed, '; '.join(failed))
    ended = dict(re.findall(r'^@end /test/(\S+) (\d+)$', text, re.MULTILINE))
    for path in paths:
        name = os.path.basename(path)
        check(name in ended, f'{name} has not ended: {text[-2000:]}')
        check_equal(ended[name], '0', f'the status of {name}')


_DYNAMIC = ('/bin/dd', '/lib64/ld-linux-x86-64.so.2', '/lib/x86_64-linux-gnu/libc.so.6')


def _dynamic_program(*options):
    """What a program with a C library of its own finds mapped, without the addresses."""
    for path in _DYNAMIC:
        options += ('--add', f'{os.path.realpath(path)}:{path}')
    outcome = guest.shell('/bin/dd bs=1 count=5000 if=/bin/busybox of=/tmp/a 2>/dev/null; '
                          'head -c 5000 /bin/busybox | cmp - /tmp/a && echo same; '
                          '/bin/dd if=/proc/self/maps 2>/dev/null', options=options)
    lines = outcome.text().splitlines()
    check_equal(lines[:1], ['same'], outcome.text()[:300])
    return [line.split()[1:3] + line.split()[5:] for line in lines[1:]]


def dynamic_programs():
    check_equal(_dynamic_program(*_ON), _dynamic_program('--append', 'hati.rewrite=off'),
                'what is mapped')


def off():
    """Where nothing says so nothing is rewritten."""
    path = os.path.join(guest.BUILD_FOLDER, 'tests/linux/rewriting-gnu')
    outcome = guest.shell(
        'REWRITTEN=1 /test sites_are_rewritten_where_they_should',
        options=('--append', 'hati.rewrite=off', '--add', f'{path}:/test'))
    check('not ok' in outcome.text(), outcome.text())


if __name__ == '__main__':
    guest.main([programs, dynamic_programs, off])
