#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 600
"""Bad input: none may panic the kernel, stop the posix server or hang; other programs go on."""

import os
import random
import re
import subprocess
import tempfile

import guest
from guest import check, check_equal

PROGRAMS = os.path.join(guest.BUILD_FOLDER, 'tests/system/programs')
_N_ELF_FILES = 200
_ELF_SEED = 20260101
# the end of each script: a shell that still works, with new processes, pipes and files
_ALIVE = '; echo x >/tmp/x; cat /tmp/x | tr x y; echo alive'


def add(name):
    return ('--add', f'{os.path.join(PROGRAMS, name)}:/{name}')


def check_alive(outcome):
    check_equal(outcome.text().splitlines()[-2:], ['y', 'alive'], 'the end of the output')


def tiny_program(folder):
    """A small static program, the seed of all mutations."""
    source, program = os.path.join(folder, 'p.c'), os.path.join(folder, 'p')
    with open(source, 'w', encoding='utf-8') as file:
        file.write('int main(void) { return 42; }\n')
    subprocess.run(['musl-gcc', '-static', '-Os', '-s', '-o', program, source], check=True)
    with open(program, 'rb') as file:
        return file.read()


def mutated(data, rng):
    """The program with a few bytes or fields of its headers changed, or cut short."""
    changed = bytearray(data)
    kind = rng.randrange(6)
    if kind == 0:
        return bytes(changed[:rng.randrange(len(changed))])
    for _ in range(rng.randrange(1, 6)):
        if kind in (1, 2):      # a field of the file header
            at, size = rng.randrange(4, 64), 1
        elif kind in (3, 4):    # an 8-byte field of the program headers
            at, size = 64 + 8 * rng.randrange(7 * 6), 8
        else:                   # anywhere
            at, size = rng.randrange(len(changed)), 1
        value = rng.choice((0, 1, 0xff, 1 << 63, (1 << 64) - 1, 0xfff, 0x7fffffffffff,
                            rng.getrandbits(64)))
        changed[at:at + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, 'little')
    return bytes(changed)


def mutated_elf_files():
    rng = random.Random(_ELF_SEED)
    with tempfile.TemporaryDirectory() as folder:
        data = tiny_program(folder)
        os.mkdir(os.path.join(folder, 'elf'))
        for number in range(_N_ELF_FILES):
            path = os.path.join(folder, 'elf', f'{number:03}')
            with open(path, 'wb') as file:
                file.write(mutated(data, rng))
            os.chmod(path, 0o755)
        with open(os.path.join(folder, 'elf/whole'), 'wb') as file:
            file.write(data)
        os.chmod(os.path.join(folder, 'elf/whole'), 0o755)
        script = ('n=0; for f in /elf/[0-9]*; do timeout -s KILL 2 $f </dev/null >/dev/null 2>&1; '
                  'n=$((n + 1)); done; echo $n; /elf/whole; echo $?')
        outcome = guest.shell(script + _ALIVE, timeout=300,
                              options=('--add', f'{folder}/elf:/elf'))
    check_equal(outcome.text().splitlines()[:2], [str(_N_ELF_FILES), '42'], 'count and status')
    check_alive(outcome)


def wild_arguments_to_every_call():
    outcome = guest.shell('/hostile-calls 1' + _ALIVE, options=add('hostile-calls'), timeout=300)
    check(re.match(r'\d+ calls, ', outcome.text()), outcome.text()[:200])
    check_alive(outcome)


def views_spoiled_by_their_owner():
    outcome = guest.shell('/hostile-views' + _ALIVE, options=add('hostile-views'), timeout=100)
    lines = outcome.text().splitlines()
    check(re.match(r'scribble (status 0|signal \d+)$', lines[0]), lines[0])
    check_equal(lines[1:7], ['write-to-table signal 11', 'write-to-window signal 11',
                             'allow-writes status 0', 'unmap-windows status 0',
                             'unmap-table signal 11', 'file whole'], 'how the attempts ended')
    check_alive(outcome)


def filters_that_their_process_goes_round():
    """posix refuses what seccomp forbids, and what was not asked for."""
    outcome = guest.shell('/hostile-seccomp' + _ALIVE, options=add('hostile-seccomp'), timeout=100)
    expected = ['asking', 'uname: errno 77', 'execve: errno 77', 'socket of INET: errno 77',
                'socket of UNIX: made', 'stat: made', 'lseek: errno 77',
                'all allowed in the page', 'uname: errno 38', 'execve: errno 38',
                'socket of INET: errno 38', 'socket of UNIX: errno 38', 'stat: made',
                'asked for something else', 'socket of UNIX: made', 'socket of INET: errno 38',
                'socket of UNIX: made', 'uname: errno 38', 'lseek: errno 38',
                'getpid, which is its own: made']
    check_equal(outcome.text().splitlines()[:len(expected)], expected, 'what became of the calls')
    check_alive(outcome)


def filters_are_limited_for_each_user():
    outcome = guest.shell('setsid /hostile-seccomp much' + _ALIVE, timeout=100,
                          options=(*add('hostile-seccomp'), '--memory', '256M'))
    check_equal(outcome.text().splitlines()[0], "one user's filters are limited", 'the limit')
    check_alive(outcome)


def random_code_harms_itself():
    outcome = guest.shell('/crashme; echo $?' + _ALIVE, options=add('crashme'), timeout=300)
    check_equal(outcome.text().splitlines()[1:2], ['0'], f'status of {outcome.text()[:200]!r}')
    check_alive(outcome)


def a_process_that_spoils_what_it_shares_harms_itself():
    """Its shim's pages, its queue, its lane, the kernel's calls, and what they may use up."""
    # memory that dead processes had may take a moment to come back
    script = ('free() { awk \'/^MemFree/ { print $2 }\' /proc/meminfo; }; a=$(free); /spoil; '
              'is_back() { b=$(free); [ $((a - b < a / 50)) = 1 ]; }; i=0; '
              'until is_back || [ $i = 200 ]; do i=$((i+1)); sleep 0.1; done; '
              'is_back; echo memory $?')
    outcome = guest.shell(script + _ALIVE, timeout=300,
                          options=(*add('spoil'), '--memory', '256M'))
    bad = [line for line in outcome.text().splitlines() if line.startswith('not ok')]
    check_equal(bad, [], 'what went wrong')
    check('memory 0' in outcome.text(), f'memory is gone: {outcome.text()[-300:]!r}')
    check_alive(outcome)


def mailbox_spoiled_by_its_owner():
    outcome = guest.shell('/hostile-mailbox' + _ALIVE, options=add('hostile-mailbox'), timeout=200)
    lines = outcome.text().splitlines()
    check_equal(lines[:7], [*(f'{name} signal 9' for name in (
        'send-twice', 'send-short', 'dismiss', 'promise-too-much', 'promise-too-many-pieces',
        'promise-longer-pieces')), 'name-absent-pieces status 0'], 'how the attempts ended')
    for line, name in zip(lines[7:9], ('send-very-often', 'scribble')):
        check(re.match(fr'{name} (status 0|signal \d+)$', line), line)
    check_equal(lines[9], 'calls work', 'the end')
    check_alive(outcome)


def bytes_that_nobody_reads():
    """Memory ends while posix holds it, in pipes and in sockets: it must not end itself."""
    script = '/flood pipes 12 >/tmp/a; /flood sockets 4 >/tmp/b'
    outcome = guest.shell(script + _ALIVE, timeout=300,
                          options=(*add('flood'), '--memory', '128M'))
    check_alive(outcome)


def fork_bomb_gets_eagain():
    outcome = guest.shell('/fork-bomb; echo $?' + _ALIVE, options=add('fork-bomb'), timeout=300)
    check_equal(outcome.text().splitlines()[1:2], ['0'], f'status of {outcome.text()[:80]!r}')
    check_alive(outcome)


def memory_exhaustion_is_survived():
    """The hog gets ENOMEM, or a signal ends it and the log names it."""
    log_path = os.path.join(os.environ.get('TMPDIR', '/tmp'), f'hati-hog-{os.getpid()}.log')
    outcome = guest.shell('/memory-hog; echo $?' + _ALIVE, timeout=200,
                          options=(*add('memory-hog'), '--memory', '256M', '--log', log_path))
    with open(log_path, encoding='utf-8', errors='replace') as file:
        log = file.read()
    os.unlink(log_path)
    status = outcome.text().splitlines()[-3:-2]
    check(status in (['0'], ['137'], ['139']), f'status {status} of {outcome.text()[:200]!r}')
    check(status == ['0'] or 'memory-hog' in log, f'the log does not name the offender: {log}')
    check_alive(outcome)


def one_victim_at_a_time():
    """What asks to be ended first is, then the hog; the small stays."""
    log_path = os.path.join(os.environ.get('TMPDIR', '/tmp'), f'hati-oom-{os.getpid()}.log')
    script = ('sleep 1000 & small=$!; '
              '(echo 1000 >/proc/self/oom_score_adj; exec tail -f /dev/null) & first=$!; '
              '/memory-hog; echo $?; wait $first; echo $?; kill $small; echo $?')
    outcome = guest.shell(script + _ALIVE, timeout=200,
                          options=(*add('memory-hog'), '--memory', '256M', '--log', log_path))
    with open(log_path, encoding='utf-8', errors='replace') as file:
        victims = re.findall(r'out of memory: process \d+ \((\S+)\) is killed', file.read())
    os.unlink(log_path)
    check_equal(victims, ['tail', 'memory-hog'], 'who was ended')
    check_equal(outcome.text().split()[:3], ['137', '137', '0'], outcome.text()[:200])
    check_alive(outcome)


def memory_comes_back():
    # A dead program's memory is back when its parent hears of it.
    script = ('free() { awk \'/^MemFree/ { print $2 }\' /proc/meminfo; }; /memory-hog >/dev/null; '
              'a=$(free); /memory-hog >/dev/null; /memory-hog >/dev/null; b=$(free); '
              'echo $a $b $((a - b < a / 100))')
    outcome = guest.shell(script + _ALIVE, timeout=200,
                          options=(*add('memory-hog'), '--memory', '256M'))
    check_equal(outcome.text().split()[2:3], ['1'], f'verdict of {outcome.text()[:80]!r}')
    check_alive(outcome)


if __name__ == '__main__':
    guest.main([mutated_elf_files, wild_arguments_to_every_call, views_spoiled_by_their_owner,
                filters_that_their_process_goes_round, filters_are_limited_for_each_user,
                random_code_harms_itself,
                a_process_that_spoils_what_it_shares_harms_itself,
                mailbox_spoiled_by_its_owner, bytes_that_nobody_reads, fork_bomb_gets_eagain,
                memory_exhaustion_is_survived, one_victim_at_a_time, memory_comes_back])
