#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""./hati run --trace and --profile: what is in the files."""

import collections
import json
import os
import tempfile

import guest
from guest import check, check_equal


def _traced(*command, options=()):
    """(what the command did, the events of its trace)"""
    with tempfile.TemporaryDirectory(prefix='hati-test-') as folder:
        path = os.path.join(folder, 'trace.json')
        outcome = guest.run(*command, options=('--trace', path, *options))
        with open(path, encoding='utf-8') as file:
            return outcome, json.load(file)['traceEvents']


def _check_trace(outcome, events):
    check_equal(outcome.output, b'traced\n', 'stdout')
    check_equal(outcome.errors, b'', 'stderr')   # nothing lost, and the end is there
    names = {event['args']['name'] for event in events if event['name'] == 'process_name'}
    for name in ('CPUs', 'posix', 'mbus', 'hw', 'virtio-console', 'ostrace'):
        check(name in names, f'{name} is not in {names}')
    check(any(name.startswith('busybox-') for name in names), f'no busybox in {names}')
    found = collections.Counter(event['name'] for event in events)
    for name in ('runs', 'drive', 'fault', 'exchange', 'wake', 'interrupt: timer', 'waits',
                 'thread made', 'thread ended', 'terminated'):
        check(found[name] > 0, f'{name} is not in the trace')
    arrows = collections.Counter(event['ph'] for event in events)
    check(0 < arrows['f'] <= arrows['s'], f'arrows: {arrows}')
    check(all(event.get('dur', 0) >= 0 for event in events), 'a slice ends before it begins')


def a_trace_shows_the_whole_run():
    _check_trace(*_traced('busybox', 'sh', '-c', 'busybox sleep 0.1; echo traced'))


def nothing_overlaps_on_a_processor():
    outcome, events = _traced('busybox', 'sh', '-c', 'busybox sleep 0.1; echo traced',
                              options=('--smp', '4'))
    _check_trace(outcome, events)
    for cpu in range(4):
        end = 0
        for event in events:
            if event['ph'] == 'X' and event['pid'] == 1 and event['tid'] == cpu:
                check(event['ts'] >= end - 0.001, f'CPU {cpu}: {event} begins before {end}')
                end = event['ts'] + event['dur']


def a_file_that_cannot_be_written_is_said():
    outcome = guest.run('busybox', 'true', options=('--trace', '/nowhere/trace.json'))
    check_equal(outcome.status, 2, 'status')
    check(b'--trace' in outcome.errors, outcome.errors)


_LOOP = 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; busybox ls -R / >/dev/null; echo traced'


def _profiled(*options):
    """{stack: samples}"""
    with tempfile.TemporaryDirectory(prefix='hati-test-') as folder:
        path = os.path.join(folder, 'out.folded')
        outcome = guest.shell(_LOOP, options=('--profile', path, *options))
        check_equal(outcome.output, b'traced\n', 'stdout')
        with open(path, encoding='utf-8') as file:
            rows = [line.rstrip('\n').rpartition(' ') for line in file]
        return {stack: int(count) for stack, _, count in rows}


def _check_profile(stacks):
    programs = {stack.partition(';')[0] for stack in stacks}
    for name in ('busybox', 'posix', 'idle'):
        check(name in programs, f'{name} is not in {programs}')
    check(any(stack.startswith('posix;') and 'thor_enter_call_[k]' in stack
              and 'fiber_entry' in stack for stack in stacks),
          'no stack goes from a server into the kernel')
    check(sum(stacks.values()) > 100, f'only {sum(stacks.values())} samples')


def a_profile_has_names_of_both_worlds():
    _check_profile(_profiled())


def samples_disturb_nothing_on_four_processors():
    _check_profile(_profiled('--smp', '4', '--append', 'hati.trace-sample-us=200'))


guest.main([a_trace_shows_the_whole_run, nothing_overlaps_on_a_processor,
            a_file_that_cannot_be_written_is_said, a_profile_has_names_of_both_worlds,
            samples_disturb_nothing_on_four_processors])
