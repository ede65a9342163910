# SPDX-License-Identifier: MIT
"""Converts a trace to the JSON that chrome://tracing and ui.perfetto.dev read.

The process "CPUs" has a track per CPU: which thread ran, from SWITCH to LEAVE, and interrupts. Each
universe is a process with a track per thread: its calls, faults and messages. An arrow leads from
where a thread was woken to where it runs next. What a queue was asked to do is a slice from SUBMIT
to COMPLETE on a track of its own.
"""

import json

import stream

_CPUS = 1   # the number of the process that stands for the CPUs
_CALLS = stream.list_names('abi/hel/calls.gen.h', 'HEL_CALL')
_ERRORS = stream.list_names('abi/hel/errors.def', 'HEL_ERROR')
_OPCODES = stream.enum_names('abi/hel/operations.gen.h', 'hel_submit_opcode', 'HEL_SUBMIT_')
_ACTIONS = stream.enum_names('abi/hel/operations.gen.h', 'hel_action_type', 'HEL_ACTION_')
_STOPS = stream.enum_names('abi/hel/hel.h', 'hel_observation', 'HEL_OBSERVE_')
_TYPES = stream.enum_names('abi/hel/types.h', 'hel_type', 'HEL_TYPE_')
_INTERRUPTS = stream.enum_names('abi/hel/trace.h', 'hel_trace_interrupt', 'HEL_TRACE_INTERRUPT_')


def _error_text(word):
    """The name of an error in a word, which is negative; the number of another result."""
    value = word - (1 << 64) if word >> 63 else word
    if value >= 0:
        return 'ok' if value == 0 else str(value)
    return _ERRORS.get(-value, str(value))


def _result_text(word):
    """What a call returned: positive results mean that it waits or is made again."""
    return {1: 'again', 2: 'waits'}.get(word) or _error_text(word)


class _Converter:
    def __init__(self, trace, names):
        self._trace = trace
        self._names = names
        self._output = []
        self._universe_of = {}   # of threads
        self._numbers = {}       # small numbers for universes and threads
        self._running = {}       # {cpu: (ns, thread)}
        self._open_calls = {}    # {thread: (ns, number, first arguments)}
        self._open_faults = {}
        self._n_arrows = 0
        self._arrow_to = {}      # {thread: number of the arrow that leads to it}
        self._start_ns = trace.events[0].ns if trace.events else 0

    # ---- tracks

    def _number(self, key):
        return self._numbers.setdefault(key, len(self._numbers) + _CPUS + 1)

    def _track(self, thread):
        universe = self._universe_of.get(thread, 0)
        return {'pid': self._number(('universe', universe)),
                'tid': self._number(('thread', thread))}

    def _name(self, thread):
        """A thread is called like its universe, of which at least one thread has a name."""
        return self._names.get(thread) or self._universe_name(self._universe_of.get(thread, 0))

    def _universe_name(self, universe):
        for thread, name in self._names.items():
            if self._universe_of.get(thread) == universe:
                return name
        return f'universe {universe:x}' if universe else 'unknown'

    def _put(self, phase, name, ns, **more):
        self._output.append({'ph': phase, 'name': name, 'ts': ns / 1000, **more})

    def _instant(self, name, event, **args):
        track = self._track(event.thread) if event.thread else {'pid': _CPUS, 'tid': event.cpu}
        self._put('i', name, event.ns, s='t', args=args, **track)

    def _slice(self, name, start_ns, end_ns, **more):
        self._put('X', name, start_ns, dur=(end_ns - start_ns) / 1000, **more)

    # ---- scheduling

    def _switch(self, event):
        universe, ip, n_ready = event.words
        self._universe_of[event.thread] = universe
        self._leave(event)
        self._running[event.cpu] = event.ns, event.thread, ip, n_ready
        arrow = self._arrow_to.pop(event.thread, None)
        if arrow is not None:
            self._put('f', 'wake', event.ns, bp='e', cat='wake', id=arrow, pid=_CPUS,
                      tid=event.cpu)

    def _leave(self, event):
        start_ns, thread, ip, n_ready = self._running.pop(event.cpu, (0, 0, 0, 0))
        if not thread:
            return
        args = {'thread': f'{thread:x}', 'ip': f'{ip:#x}', 'ready': n_ready}
        self._slice(self._name(thread), start_ns, event.ns, pid=_CPUS, tid=event.cpu, args=args)
        self._slice('runs', start_ns, event.ns, args={'cpu': event.cpu}, **self._track(thread))

    def _idle(self, event):
        self._leave(event)

    def _wake(self, event):
        woken, _, _ = event.words
        self._n_arrows += 1
        self._arrow_to[woken] = self._n_arrows
        self._put('s', 'wake', event.ns, cat='wake', id=self._n_arrows, pid=_CPUS, tid=event.cpu)
        self._instant('wake', event, thread=f'{woken:x}', of=self._name(woken))

    def _migrate(self, event):
        self._instant('migrate', event, source=event.words[0], target=event.words[1])

    def _stop(self, event):
        kind, thread, vector = event.words
        self._put('i', _STOPS.get(kind, 'stop'), event.ns, s='t', args={'vector': vector},
                  **self._track(thread))

    # ---- calls and faults: slices on the thread's track

    def _call(self, event):
        self._open_calls[event.thread] = event

    def _call_end(self, event):
        number, result, value = event.words
        start = self._open_calls.pop(event.thread, None)
        if start is None or start.words[0] != number:
            return
        args = {'arguments': [f'{word:#x}' for word in start.words[1:]],
                'result': _result_text(result), 'value': f'{value:#x}'}
        self._slice(_CALLS.get(number, f'call {number}'), start.ns, event.ns, args=args,
                    **self._track(event.thread))

    def _fault(self, event):
        self._open_faults[event.thread] = event

    def _fault_end(self, event):
        start = self._open_faults.pop(event.thread, None)
        if start is None:
            return
        vector, address, ip = start.words
        args = {'vector': vector & 0xffffffff, 'error': vector >> 32, 'address': f'{address:#x}',
                'ip': f'{ip:#x}', 'result': _error_text(event.words[0])}
        self._slice('fault', start.ns, event.ns, args=args, **self._track(event.thread))

    # ---- messages

    def _submit(self, event):
        opcode, context, queue = event.words
        name = _OPCODES.get(opcode, f'opcode {opcode}')
        if name not in ('pad', 'cancel'):
            self._put('b', name, event.ns, cat='operation', id=f'{queue:x}:{context:x}',
                      args={'queue': f'{queue:x}'}, **self._track(event.thread))
        elif name == 'cancel':
            self._instant('cancel', event, context=f'{context:x}', queue=f'{queue:x}')

    def _complete(self, event):
        word, context, queue = event.words
        opcode, error = word & 0xffffffff, word >> 32
        if error >> 31:
            error += 0xffffffff << 32
        self._put('e', _OPCODES.get(opcode, f'opcode {opcode}'), event.ns, cat='operation',
                  id=f'{queue:x}:{context:x}', args={'result': _error_text(error)},
                  **self._track(event.thread))

    def _meet(self, event):
        types, a, b = event.words
        names = [_ACTIONS.get(kind, str(kind)) for kind in (types & 0xffffffff, types >> 32)]
        self._instant(f'{names[0]} meets {names[1]}', event, lengths=[a, b])

    def _drive(self, event):
        self._instant('waits', event, queue=f'{event.words[0]:x}')

    # ---- the rest

    def _interrupt(self, event):
        kinds, vector, _ = event.words
        names = [name for bit, name in _INTERRUPTS.items() if kinds & bit]
        self._put('i', f'interrupt: {" ".join(names)}', event.ns, s='t', pid=_CPUS, tid=event.cpu,
                  args={'vector': vector})

    def _object_made(self, event):
        self._instant(f'{_TYPES.get(event.words[0])} made', event, identity=f'{event.words[1]:x}')

    def _object_ended(self, event):
        self._instant(f'{_TYPES.get(event.words[0])} ended', event, identity=f'{event.words[1]:x}')

    # ---- all of it

    def _put_names(self):
        self._put('M', 'process_name', 0, pid=_CPUS, args={'name': 'CPUs'})
        for cpu in range(self._trace.n_cpus):
            self._put('M', 'thread_name', 0, pid=_CPUS, tid=cpu, args={'name': f'CPU {cpu}'})
        for (kind, identity), number in list(self._numbers.items()):
            if kind == 'universe':
                self._put('M', 'process_name', 0, pid=number,
                          args={'name': self._universe_name(identity)})
            else:
                track = self._track(identity)
                self._put('M', 'thread_name', 0, args={'name': f'thread {identity:x}'}, **track)

    def convert(self):
        for event in self._trace.events:   # a thread's universe, before its first event
            if event.kind == 'switch':
                self._universe_of.setdefault(event.thread, event.words[0])
            elif event.kind == 'leave':
                self._universe_of.setdefault(event.thread, event.words[1])
        for event in self._trace.events:
            handler = getattr(self, '_' + event.kind.replace('-', '_'), None)
            if handler:
                handler(event)
        for cpu, n_lost in self._trace.n_lost.items():
            self._put('i', f'{n_lost} events lost', self._start_ns, s='t', pid=_CPUS, tid=cpu)
        self._put_names()
        return self._output


def write(trace, names, path):
    """Writes the Trace as JSON; `names` are those of threads."""
    document = {'traceEvents': _Converter(trace, names).convert(), 'displayTimeUnit': 'ns'}
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(document, file, separators=(',', ':'))
