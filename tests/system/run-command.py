#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 400
"""`./hati run -- command`: exit status, the three streams byte for byte, files, environment."""

import hashlib
import os
import random
import subprocess
import tempfile

import guest
from guest import check, check_equal

_SIZE = 10 * 1024 * 1024
_SECONDS_MAX = 100   # with room for a loaded machine; an idle one needs a few


def data():
    return random.Random(1).randbytes(_SIZE)


def hello_and_status():
    outcome = guest.shell('echo hello; exit 7')
    check_equal(outcome.output, b'hello\n', 'stdout')
    check_equal(outcome.errors, b'', 'stderr')
    check_equal(outcome.status, 7, 'status')


def status_of_a_signal():
    check_equal(guest.shell('kill -SEGV $$').status, 139, 'status')
    check_equal(guest.shell('kill -TERM $$').status, 143, 'status')


def command_not_found():
    outcome = guest.run('/bin/there-is-no-such-program')
    check_equal(outcome.status, 127, 'status')
    check_equal(outcome.output, b'', 'stdout')


def streams_are_apart():
    outcome = guest.shell('echo out; echo err >&2; echo out2; echo err2 >&2')
    check_equal(outcome.output, b'out\nout2\n', 'stdout')
    check_equal(outcome.errors, b'err\nerr2\n', 'stderr')


def every_byte_value_passes():
    every = bytes(range(256)) * 3
    outcome = guest.run('busybox', 'cat', stdin=every)
    check_equal(outcome.output, every, 'stdout')


def large_input():
    sent = data()
    outcome = guest.run('busybox', 'sha256sum', stdin=sent, timeout=120)
    check_equal(outcome.text().split()[:1], [hashlib.sha256(sent).hexdigest()], 'the checksum')
    check(outcome.seconds < _SECONDS_MAX, f'took {outcome.seconds:.1f} s')


def large_input_and_output():
    sent = data()
    outcome = guest.run('busybox', 'cat', stdin=sent, timeout=120)
    check(outcome.output == sent, f'{len(outcome.output)} bytes came back, or other ones')
    check(outcome.seconds < _SECONDS_MAX, f'took {outcome.seconds:.1f} s')


def output_from_both_streams():
    outcome = guest.shell('(yes a | head -c 300000) & (yes b | head -c 300000) >&2; wait')
    check_equal(outcome.output, b'a\n' * 150000, 'stdout')
    check_equal(outcome.errors, b'b\n' * 150000, 'stderr')


def input_that_nobody_reads():
    outcome = guest.run('busybox', 'echo', 'early', stdin=data()[:2000000])
    check_equal((outcome.output, outcome.status), (b'early\n', 0), 'output and status')


def empty_input_ends():
    check_equal(guest.run('busybox', 'wc', '-c').output.strip(), b'0', 'bytes read')


def nothing_else_is_open():
    outcome = guest.shell('for i in 3 4 5 6 7 8 9; do [ ! -e /proc/$$/fd/$i ] || echo $i; done')
    check_equal(outcome.output, b'', 'descriptors')


def arguments_are_words():
    words = ['a b', '', "it's", '"', '$HOME', '*', '\\', 'ä', '-x', '--']
    outcome = guest.run('busybox', 'printf', '[%s]', *words)
    check_equal(outcome.text(), ''.join(f'[{word}]' for word in words), 'the arguments')


def environment():
    outcome = guest.shell('echo "$A|$HOME|$USER|$PATH"; id -u; pwd',
                          options=('--env', 'A=b = c'))
    lines = outcome.text().splitlines()
    check(lines[0].startswith('b = c|/root|root|/'), lines[0])
    check_equal(lines[1], '0', 'uid')


def added_files_keep_modes():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'tree')
        os.makedirs(os.path.join(path, 'sub'))
        with open(os.path.join(path, 'sub/script'), 'w', encoding='utf-8') as file:
            file.write('#!/bin/sh\necho "script $1"\n')
        os.chmod(os.path.join(path, 'sub/script'), 0o751)
        os.symlink('sub/script', os.path.join(path, 'link'))
        outcome = guest.shell('/opt/new/link x; stat -c "%a %u %g" /opt/new/sub/script',
                              options=('--add', f'{path}:/opt/new'))
    check_equal(outcome.text(), 'script x\n751 0 0\n', 'stdout')


def another_root():
    with tempfile.TemporaryDirectory() as folder:
        for name in ('bin', 'proc', 'dev', 'tmp', 'etc'):
            os.mkdir(os.path.join(folder, name))
        subprocess.run(['cp', guest.BUSYBOX, os.path.join(folder, 'bin/busybox')], check=True)
        os.symlink('busybox', os.path.join(folder, 'bin/sh'))
        with open(os.path.join(folder, 'etc/mark'), 'w', encoding='utf-8') as file:
            file.write('mine\n')
        outcome = guest.run('/bin/sh', '-c', 'busybox cat /etc/mark; busybox ls /usr 2>/dev/null',
                            options=('--root', folder))
    check_equal(outcome.output, b'mine\n', 'stdout')


def shell_from_a_pipe():
    result = subprocess.run(guest.hati_command(()), input=b'echo $((6*7))\nexit 3\n',
                            capture_output=True, timeout=90, check=False)
    check(b'42\n' in result.stdout, f'stdout is {result.stdout!r}')
    check_equal(result.returncode, 3, 'status')


def timeout_is_124():
    outcome = guest.run('busybox', 'sleep', '100', timeout=4)
    check_equal(outcome.status, 124, 'status')
    check(outcome.seconds < 60, f'took {outcome.seconds:.1f} s')


def reader_that_leaves():
    command = guest.hati_command(['busybox', 'yes'], timeout=60)
    producer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)
    check_equal(producer.stdout.readline(), b'y\n', 'the first line')
    producer.stdout.close()
    check_equal(producer.wait(60), 141, 'status')


if __name__ == '__main__':
    guest.main([hello_and_status, status_of_a_signal, command_not_found, streams_are_apart,
                every_byte_value_passes, large_input, large_input_and_output,
                output_from_both_streams, input_that_nobody_reads, empty_input_ends,
                nothing_else_is_open, arguments_are_words, environment, added_files_keep_modes,
                another_root, shell_from_a_pipe, timeout_is_124, reader_that_leaves])
