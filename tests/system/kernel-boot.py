#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The kernel alone: it starts, tests itself on several CPUs, says what it should in a panic.

No program has to work for these: the boot ends in a panic on purpose (thor.crash).
"""

import os
import re
import tempfile

import guest
from guest import check, check_equal

_SELF_TESTS = {'page-tables', 'user-copies', 'asids', 'kernel-pages', 'clock', 'timer',
               'processors', 'messages'}
_STATUS_PANIC = 125


def crash(append, *options):
    """Boots into a panic; what the launcher did, and the lines of the log."""
    with tempfile.TemporaryDirectory() as folder:
        log_path = os.path.join(folder, 'log')
        outcome = guest.run('true', options=('--append', append, '--log', log_path, *options))
        with open(log_path, encoding='utf-8', errors='replace') as file:
            lines = file.read().splitlines()
    check_equal(outcome.status, _STATUS_PANIC, f'status, after {lines[-3:]}')
    return outcome, lines


def self_tests(*options):
    _, lines = crash('thor.selftest thor.crash=panic', *options)
    passed = {line.split()[-1] for line in lines if 'ok self-test' in line}
    check_equal(passed, _SELF_TESTS, 'self-tests that passed')


def self_test_smp_1():
    self_tests('--smp', '1')


def self_test_smp_2():
    self_tests('--smp', '2')


def self_test_smp_8():
    self_tests('--smp', '8')


def self_test_icount():
    self_tests('--icount')


def self_test_much_memory():
    self_tests('--memory', '6G')


def self_test_without_smap():
    self_tests('--qemu', '-cpu qemu64')


def panic_is_symbolised():
    outcome, lines = crash('thor.crash=panic')
    text = outcome.errors.decode()
    check('thor: panic: asked for by thor.crash' in text, 'the launcher does not show the panic')
    check('arch_self_test_crash at' in text and 'thor_main at' in text,
          f'the backtrace has no names: {text}')
    check(any('thor: slide 0x' in line for line in lines), 'no slide in the log')


def wild_pointer_is_decoded():
    _, lines = crash('thor.crash=fault')
    check(any('panic: page fault at 0x1234' in line for line in lines), 'no address in the panic')
    check(any(' rip ' in line for line in lines), 'no registers in the log')


def stack_overflow_hits_the_guard_page():
    _, lines = crash('thor.crash=stack')
    check(any('panic: stack overflow at' in line for line in lines), 'no stack overflow in the log')


def slides(append, n_boots):
    found = []
    for _ in range(n_boots):
        _, lines = crash(append)
        found += re.findall(r'slide 0x([0-9a-f]+)', '\n'.join(lines))
    return found


def address_space_is_randomised():
    check(len(set(slides('thor.crash=panic', 3))) > 1, 'the kernel is always at the same address')
    check_equal(slides('nokaslr thor.crash=panic', 1), ['0'], 'slide with nokaslr')


def freed_memory_is_noticed():
    _, lines = crash('thor.crash=freed')
    check(any('panic: kasan: read of 8 bytes' in line for line in lines), 'no report in the log')


def write_beyond_a_variable_is_noticed():
    _, lines = crash('thor.crash=beyond')
    check(any('panic: kasan: write of 1 bytes' in line for line in lines), 'no report in the log')


def undefined_behaviour_is_noticed():
    _, lines = crash('thor.crash=shift')
    check(any('panic: undefined behaviour: shift' in line for line in lines),
          'no report in the log')


# What only kernels that check themselves notice.
_CASES_OF_BUILD = {
    'kasan': [freed_memory_is_noticed, write_beyond_a_variable_is_noticed],
    'ubsan': [undefined_behaviour_is_noticed],
}


if __name__ == '__main__':
    guest.main(_CASES_OF_BUILD.get(guest.BUILD, []) + [
        self_test_smp_1, self_test_smp_2, self_test_smp_8, self_test_icount,
        self_test_much_memory, self_test_without_smap, panic_is_symbolised,
        wild_pointer_is_decoded, stack_overflow_hits_the_guard_page, address_space_is_randomised,
    ])
