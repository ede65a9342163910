# SPDX-License-Identifier: MIT
"""Turns the samples of a trace into folded stacks: a line `program;outer;inner N` per stack.

That is what flame graph tools and speedscope.app read. Frames of the kernel end in _[k].
"""

import collections
import re

_KERNEL = 1 << 63
_THREAD_NUMBER = re.compile(r'-\d+$')   # as posix appends it


class _Sample:
    def __init__(self, event):
        self.thread = event.thread
        self.universe = event.words[1]
        self.ips = [event.words[0]]


def _samples(trace):
    """All samples, each with its addresses from the inside out."""
    samples, current = [], {}
    for event in trace.events:
        if event.kind == 'sample':
            current[event.cpu] = _Sample(event)
            samples.append(current[event.cpu])
        elif event.kind == 'frames' and event.cpu in current:
            current[event.cpu].ips += [ip for ip in event.words if ip]
    return samples


def _program_names(trace, names):
    """{universe: program}: threads that have no name of their own belong to their universe's."""
    found = {}
    for event in trace.events:
        if event.kind == 'sample' and event.thread in names:
            found[event.words[1]] = _THREAD_NUMBER.sub('', names[event.thread])
    return found


def _stack(sample, program, symbols):
    """Names from the outside in. Where user mode was left the ip is no return address."""
    frames, is_return = [], False
    for number, ip in enumerate(sample.ips):
        is_first_of_user = number > 0 and ip < _KERNEL <= sample.ips[number - 1]
        frames.append(symbols.name(program, ip, is_return and not is_first_of_user))
        is_return = True
    frames.append(program)
    frames.reverse()
    # what is not known is one frame, however deep it is
    return [name for number, name in enumerate(frames)
            if number == 0 or name != frames[number - 1] or not name.startswith('[')]


def fold(trace, names, symbols):
    """A Counter of folded stacks."""
    programs = _program_names(trace, names)
    stacks = collections.Counter()
    for sample in _samples(trace):
        if sample.thread == 0:
            stacks['idle' if len(sample.ips) == 1 else
                   ';'.join(_stack(sample, 'idle', symbols))] += 1
            continue
        name = names.get(sample.thread)
        program = _THREAD_NUMBER.sub('', name) if name else programs.get(sample.universe, 'unknown')
        stacks[';'.join(_stack(sample, program, symbols))] += 1
    return stacks


def write(trace, names, symbols, path):
    """Writes the folded stacks, the most frequent first."""
    with open(path, 'w', encoding='utf-8') as file:
        for stack, count in fold(trace, names, symbols).most_common():
            file.write(f'{stack} {count}\n')
