#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 240
"""The shell on a terminal, driven through a pty: job control, line discipline, window size."""

import guest
from console import PROMPT, Terminal
from guest import Failure, check, check_equal

SHELL = []   # the terminal that the cases share, one boot for all


def shell():
    return SHELL[0]


def begin(command, before=''):
    """Types a command for the foreground, behind `before`; waits until it is about to run."""
    shell().send(f"{before}sh -c 'echo be\"\"gun; exec {command}'\r")
    shell().expect(r'\nbegun\r\n')


def comes_to_a_prompt():
    SHELL.append(Terminal(33, 101))
    shell().expect(r'[#$] ', 60)
    shell().send('PS1="<""ready>"\r')
    shell().expect(PROMPT)


def echoes_and_runs():
    shell().send('echo a$((1+1))b\r')
    shell().expect(r'echo a\$\(\(1\+1\)\)b')
    shell().expect(r'a2b\r\n')
    shell().expect(PROMPT)


def is_a_terminal():
    shell().run('test -t 0 && test -t 1 && echo is"" a tty; tty', r'is a tty\r\n/dev/\w+')


def window_size_is_the_launchers():
    shell().run('stty size', r'33 101\r\n')


def window_size_changes():
    shell().resize(40, 90)
    shell().run('until stty size | grep "40 90"; do sleep 0.1; done', r'\n40 90\r\n')
    shell().send("sh -c 'trap \"echo win\"\"ch; exit\" WINCH; echo be\"\"gun; "
                 "while :; do sleep 0.1; done'\r")
    shell().expect(r'\nbegun\r\n')
    shell().resize(41, 91)
    shell().expect(r'winch\r\n')
    shell().expect(PROMPT)


def control_c_interrupts():
    begin('sleep 100')
    shell().send('\x03')
    shell().expect(r'\^C')
    shell().expect(PROMPT)
    shell().run('echo st$?', r'st130\r\n')


def control_c_clears_a_line():
    shell().send('echo not-this')
    shell().expect('not-this')
    shell().send('\x03')
    shell().expect(PROMPT)
    shell().run('echo that', r'\nthat\r\n')


def control_c_reaches_a_pipeline():
    begin('sleep 100', before='sleep 100 | cat | ')
    shell().send('\x03')
    shell().expect(PROMPT)
    shell().run('jobs; ps | grep -c "[s]leep 100"', r'\n0\r\n')


def prompt_comes(seconds):
    try:
        return shell().expect(PROMPT, seconds)
    except Failure:
        return None


def control_backslash_quits():
    """The shell that becomes the program ignores it until then, on Linux too: it is typed again."""
    begin('sleep 100')
    for _ in range(10):
        shell().send('\x1c')
        shell().expect(r'\^\\')
        if prompt_comes(5):
            break
    else:
        raise Failure('nothing quits')
    shell().run('echo st$?', r'st131\r\n')


def control_z_stops_and_fg_continues():
    begin('cat')
    shell().send('\x1a')
    shell().expect(r'Stopped')
    shell().expect(PROMPT)
    shell().run('jobs', r'Stopped +sh')
    shell().send('fg\r')
    shell().expect(r'\n[^\n]*cat')
    shell().send('again\r')
    shell().expect(r'again\r\nagain\r\n')
    shell().send('\x04')
    shell().expect(PROMPT)


def bg_continues_in_the_background():
    begin('sleep 5')
    shell().send('\x1a')
    shell().expect('Stopped')
    shell().expect(PROMPT)
    shell().run('bg', 'sleep')
    shell().run('wait; echo wai""ted; jobs', r'waited\r\n')


def background_reader_is_stopped():
    shell().send('cat &\r')
    shell().expect(PROMPT)
    text = ''
    while 'Stopped' not in text:
        shell().send('jobs\r')
        text = shell().expect(r'(?s)^.*?' + PROMPT)[0]
    shell().run('kill -9 %1; wait; echo ki""lled', r'killed')


def cooked_mode_edits_lines():
    begin('cat')
    shell().send('abX\x7fc\r')
    shell().expect(r'abX\x08 \x08c\r\nabc\r\n')
    shell().send('wrong\x15right\r')
    shell().expect(r'\nright\r\n')
    shell().send('one two\x17three\r')
    shell().expect(r'\none three\r\n')
    shell().send('\x04')
    shell().expect(PROMPT)


def control_d_ends_input():
    begin('wc -c')
    shell().send('abc\x04\x04')
    shell().expect(r'3\r\n')
    shell().expect(PROMPT)


def shell_edits_lines():
    shell().send('echo ac\x1b[Db\r')
    shell().expect(r'\nabc\r\n')
    shell().expect(PROMPT)
    shell().send('\x1b[A\x7fd\r')   # the last line again, with the end changed
    shell().expect(r'\nabd\r\n')
    shell().expect(PROMPT)


def echo_can_be_off():
    shell().run('stty -echo; echo off', r'off\r\n')
    shell().send('echo inv""isible\r')
    check_equal(shell().expect(r'(?s)^(.*?)invisible\r\n')[1].strip(), '', 'the echo')
    shell().expect(PROMPT)
    shell().run('stty echo; echo on""e', r'one\r\n')


def raw_mode_gives_bytes():
    shell().send('stty raw -echo; echo go""ing; dd bs=1 count=3 2>/dev/null | od -An -tx1; '
                 'stty sane\r')
    shell().expect('going')
    shell().send('\x03\r\x04')
    shell().expect(r'03 0d 04')
    shell().expect(PROMPT)


def settings_are_kept():
    match = shell().run('stty -a', r'(?s)speed.*?-?echoctl')
    for word in ('icanon', 'isig', 'icrnl', 'onlcr', 'intr = ^C', 'erase = ^?'):
        check(word in match[0] or word in ('onlcr',), f'no {word!r} in {match[0]!r}')
    shell().run('stty intr ^X; echo s""et', 'set')
    begin('sleep 100')
    shell().send('\x18')
    shell().expect(PROMPT)
    shell().run('stty intr ^C; echo ba""ck', 'back')


def output_does_not_get_lost():
    shell().send('seq 1 5000\r')
    shell().expect(r'\n5000\r\n', 60)
    shell().expect(PROMPT)


def exit_ends_the_guest():
    shell().send('exit 9\r')
    check_equal(shell().wait(), 9, 'status')


def escape_key_leaves():
    terminal = Terminal(24, 80)
    try:
        terminal.expect(r'[#$] ', 60)
        terminal.send('\x1d')
        check_equal(terminal.wait(10), 0, 'status')
    finally:
        terminal.close()


def command_on_the_terminal():
    terminal = Terminal(24, 80, ('busybox', 'sh', '-c', 'tty; stty size; read -r x; exit $x'),
                        ('--tty',))
    try:
        terminal.expect(r'/dev/\w+\r\n24 80\r\n', 60)
        terminal.send('6\r')
        check_equal(terminal.wait(), 6, 'status')
    finally:
        terminal.close()


def recovering(case):
    """A case that, when it fails, leaves a usable shell to the next."""
    def run():
        check(SHELL, 'there is no shell')
        try:
            case()
        except Failure:
            try:
                shell().settle()
            except Failure as error:
                print(f'the shell did not recover: {error}')
            raise
    run.__name__ = case.__name__
    return run


IN_ONE_SHELL = [
    echoes_and_runs, is_a_terminal, window_size_is_the_launchers, window_size_changes,
    control_c_interrupts, control_c_clears_a_line, control_c_reaches_a_pipeline,
    control_backslash_quits, control_z_stops_and_fg_continues, bg_continues_in_the_background,
    background_reader_is_stopped, cooked_mode_edits_lines, control_d_ends_input,
    shell_edits_lines, echo_can_be_off, raw_mode_gives_bytes, settings_are_kept,
    output_does_not_get_lost,
]

if __name__ == '__main__':
    guest.main([comes_to_a_prompt, *map(recovering, IN_ONE_SHELL), exit_ends_the_guest,
                escape_key_leaves, command_on_the_terminal])
