#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Unit tests of reading a trace and converting it; prints a line per case."""

import os
import struct
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, '../test')]
import cases  # noqa: E402
import chrome  # noqa: E402
import folded  # noqa: E402
import stream  # noqa: E402

_NUMBERS = {name: number for number, name in stream.KINDS.items()}
_THREAD, _OTHER, _UNIVERSE = 0x1000000000011, 0x1000000000022, 0x1000000000033


def chunk(kind, cpu, data):
    return struct.pack('<IIQ', kind, cpu, len(data)) + data


def ring(cpu):
    """Two nanoseconds a tick, from 1000 on."""
    return chunk(1, cpu, struct.pack('<QIIIIQQQ', stream._MAGIC, cpu, 64, 48, 4096, 1000,
                                     2 << 32, 0))


def events(cpu, *rows):
    """Rows of (ticks, thread, kind, words)."""
    return chunk(2, cpu, b''.join(
        struct.pack('<IHHQQQQQ', 0, _NUMBERS[kind], cpu, ticks, thread, *(words + (0, 0, 0))[:3])
        for ticks, thread, kind, words in rows))


END = chunk(4, 0, b'')


def converted(data, names=None):
    return chrome._Converter(stream.Trace(data), names or {}).convert()


def case_events_are_sorted_by_time():
    trace = stream.Trace(ring(0) + ring(1) + events(0, (10, 0, 'idle', ()), (30, 0, 'idle', ()))
                         + events(1, (20, 0, 'idle', ())) + END)
    assert [event.ns for event in trace.events] == [1020, 1040, 1060]
    assert [event.cpu for event in trace.events] == [0, 1, 0]
    assert trace.is_complete and trace.n_cpus == 2 and not trace.n_lost


def case_a_stream_may_be_cut_off_anywhere():
    data = ring(0) + events(0, (10, 0, 'idle', ()), (30, 0, 'idle', ())) + END
    whole = len(stream.Trace(data).events)
    for size in range(len(ring(0)), len(data)):
        trace = stream.Trace(data[:size])
        assert not trace.is_complete and len(trace.events) <= whole


def case_lost_events_are_counted():
    lost = chunk(3, 1, struct.pack('<Q', 7))
    assert stream.Trace(ring(1) + lost + lost + END).n_lost == {1: 14}


def case_nonsense_is_refused():
    for data in (chunk(9, 0, b''), events(0, (1, 0, 'idle', ())), chunk(1, 0, b'x' * 48)):
        try:
            stream.Trace(data)
        except (stream.Broken, KeyError, struct.error):
            continue
        raise AssertionError(f'accepted: {data}')


def case_a_thread_has_its_time_on_a_processor():
    rows = converted(ring(0) + events(
        0, (10, _THREAD, 'switch', (_UNIVERSE, 0x400000, 1)),
        (60, _THREAD, 'leave', (1, _UNIVERSE))) + END, {_THREAD: 'server'})
    runs = [row for row in rows if row['ph'] == 'X']
    assert [(row['name'], row['ts'], row['dur']) for row in runs] == [
        ('server', 1.02, 0.1), ('runs', 1.02, 0.1)]
    assert {'name': 'server'} in [row.get('args') for row in rows if row['name'] == 'process_name']


def case_calls_have_names_and_results():
    number = next(number for number, name in chrome._CALLS.items() if name == 'futex_wake')
    rows = converted(ring(0) + events(
        0, (10, _THREAD, 'call', (number, 1, 2)),
        (20, _THREAD, 'call-end', (number, (1 << 64) - 3, 0))) + END)
    call, = [row for row in rows if row['ph'] == 'X']
    assert call['name'] == 'futex_wake' and call['args']['result'] == 'BAD_HANDLE'


def case_a_wake_leads_to_its_switch():
    rows = converted(ring(0) + ring(1) + events(0, (10, _THREAD, 'wake', (_OTHER, 0)))
                     + events(1, (20, _OTHER, 'switch', (_UNIVERSE, 0, 0))) + END)
    start, = [row for row in rows if row['ph'] == 's']
    end, = [row for row in rows if row['ph'] == 'f']
    assert start['id'] == end['id'] and start['tid'] == 0 and end['tid'] == 1


def case_operations_begin_and_end():
    rows = converted(ring(0) + events(
        0, (10, _THREAD, 'submit', (5, 0x99, 0x77)),
        (20, _THREAD, 'complete', (5 | 0xfffffff3 << 32, 0x99, 0x77))) + END)
    begin, = [row for row in rows if row['ph'] == 'b']
    end, = [row for row in rows if row['ph'] == 'e']
    assert begin['id'] == end['id'] and begin['name'] == end['name'] == 'await-clock'
    assert end['args']['result'] == 'CANCELLED'


class FakeSymbols:
    def name(self, program, address, is_return):
        return f'{address:x}{"r" if is_return else ""}'


def folded_stacks(*rows, names=None):
    data = ring(0) + ring(1) + events(0, *rows) + END
    return dict(folded.fold(stream.Trace(data), names or {}, FakeSymbols()))


def case_samples_become_stacks():
    stacks = folded_stacks(
        (10, _THREAD, 'sample', (0x1000, _UNIVERSE)),
        (10, _THREAD, 'frames', (0x2000, 0x3000, 0x4000)),
        (10, _THREAD, 'frames', (0x5000, 0, 0)),
        (20, _THREAD, 'sample', (0x1000, _UNIVERSE)),
        (30, 0, 'sample', (0x1000, 0)), names={_THREAD: 'busybox-12'})
    assert stacks == {'busybox;5000r;4000r;3000r;2000r;1000': 1, 'busybox;1000': 1, 'idle': 1}


def case_user_mode_continues_the_kernels_stack():
    kernel = 0xffffffff80000000
    stacks = folded_stacks(
        (10, _THREAD, 'sample', (kernel, _UNIVERSE)),
        (10, _THREAD, 'frames', (kernel + 1, 0x1000, 0x2000)), names={_THREAD: 'mbus'})
    assert stacks == {'mbus;2000r;1000;ffffffff80000001r;ffffffff80000000': 1}


def case_threads_share_the_name_of_their_universe():
    stacks = folded_stacks(
        (10, _THREAD, 'sample', (0x1000, _UNIVERSE)),
        (20, _OTHER, 'sample', (0x2000, _UNIVERSE)),
        (30, 7, 'sample', (0x3000, 5)), names={_THREAD: 'posix'})
    assert set(stacks) == {'posix;1000', 'posix;2000', 'unknown;3000'}, stacks


if __name__ == '__main__':
    cases.run(globals())
