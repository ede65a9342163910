# SPDX-License-Identifier: MIT
"""Reads what ostrace has streamed out: user/ostrace/stream.h, abi/hel/trace.h."""

import os
import re
import struct

_TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_CHUNK = struct.Struct('<IIQ')
_RING = struct.Struct('<QIIIIQQQ')
_EVENT = struct.Struct('<IHHQQQQQ')
_MAGIC = 0x3165636172746148
_RING_CHUNK, _EVENTS_CHUNK, _LOST_CHUNK, _END_CHUNK = 1, 2, 3, 4
_NAME = re.compile(r'thread ([0-9a-f]+) is (\S+)')


class Broken(Exception):
    """The stream is not one."""


def _read(path):
    with open(os.path.join(_TOP, path), encoding='utf-8') as file:
        return file.read()


def enum_names(path, enum, prefix):
    """{value: name} of an enum in a header; names are in lower case and without the prefix."""
    body = re.search(rf'\benum {enum}\b[^{{]*{{(.*?)^}};', _read(path), re.DOTALL | re.MULTILINE)[1]
    body = re.sub(r'/\*.*?\*/', '', body, flags=re.DOTALL)
    names, value = {}, 0
    for name, given in re.findall(rf'\b{prefix}(\w+)(?:\s*=\s*(\w+))?', body):
        value = int(given, 0) if given else value
        names[value] = name.lower().replace('_', '-')
        value += 1
    return names


def list_names(path, macro):
    """{value: name} of lines such as HEL_CALL(1, log, 4) or HEL_ERROR(BUSY, 11, "...")."""
    found = {}
    for a, b in re.findall(rf'^{macro}\((\w+), (\w+)', _read(path), re.MULTILINE):
        number, name = (a, b) if a.isdecimal() else (b, a)
        found[int(number)] = name
    return found


KINDS = enum_names('abi/hel/trace.h', 'hel_trace_kind', 'HEL_TRACE_')


class Event:
    """One event; `ns` is the time since boot."""

    __slots__ = ('ns', 'cpu', 'kind', 'thread', 'words')

    def __init__(self, ns, cpu, kind, thread, words):
        self.ns, self.cpu, self.kind, self.thread, self.words = ns, cpu, kind, thread, words


class Trace:
    """A whole trace: `events` in order of time, `n_lost` {cpu: events}, whether it has its end."""

    def __init__(self, data):
        self.events, self.n_lost, self.is_complete, self.n_cpus = [], {}, False, 0
        self._rings = {}
        offset = 0
        while offset + _CHUNK.size <= len(data) and not self.is_complete:
            kind, cpu, size = _CHUNK.unpack_from(data, offset)
            offset += _CHUNK.size
            self._chunk(kind, cpu, memoryview(data)[offset:offset + size])
            offset += size
        self.events.sort(key=lambda event: event.ns)   # stable: each CPU's are in order already

    def _chunk(self, kind, cpu, data):
        if kind == _RING_CHUNK:
            self._add_ring(cpu, data)
        elif kind == _EVENTS_CHUNK:
            self._add_events(cpu, data)
        elif kind == _LOST_CHUNK:
            self.n_lost[cpu] = self.n_lost.get(cpu, 0) + struct.unpack('<Q', data)[0]
        elif kind == _END_CHUNK:
            self.is_complete = True
        else:
            raise Broken(f'a chunk of kind {kind}')

    def _add_ring(self, cpu, data):
        magic, _, _, size, _, base_ns, multiplier, _ = _RING.unpack(data)
        if magic != _MAGIC or size != _EVENT.size:
            raise Broken('a ring of another version')
        self._rings[cpu] = base_ns, multiplier
        self.n_cpus = max(self.n_cpus, cpu + 1)

    def _add_events(self, cpu, data):
        base_ns, multiplier = self._rings[cpu]
        whole = len(data) // _EVENT.size * _EVENT.size   # the last one may have been cut off
        for _, kind, _, ticks, thread, a, b, c in _EVENT.iter_unpack(data[:whole]):
            ns = base_ns + (ticks * multiplier >> 32)
            self.events.append(Event(ns, cpu, KINDS.get(kind, f'kind-{kind}'), thread, (a, b, c)))


def read(path):
    """The Trace in a file; Broken."""
    with open(path, 'rb') as file:
        data = file.read()
    try:
        return Trace(data)
    except (struct.error, KeyError) as error:
        raise Broken(str(error)) from error


def thread_names(log_path):
    """{identity of a thread: name} of what the servers' log says."""
    try:
        with open(log_path, encoding='utf-8', errors='replace') as file:
            return {int(identity, 16): name for identity, name in _NAME.findall(file.read())}
    except (OSError, TypeError):
        return {}
