# SPDX-License-Identifier: MIT
"""The handbook's pages on hel: one for each call, operation and action, and the lists of them."""

import os
import re

from definition import TOP
from emit_c import argument_text, joined, prototype

FOLDER = 'docs/hel'
WIDTH = 110
_HEADERS = ('abi/hel/hel.h', 'abi/hel/dma.h', 'abi/hel/kernlet.h', 'abi/hel/queue.h',
            'abi/hel/bounce.h', 'abi/hel/types.h')
_PLACES = {'call': '', 'operation': 'operations/', 'action': 'actions/'}
_PREFIXES = {'call': 'hel_', 'operation': 'HEL_SUBMIT_', 'action': 'HEL_ACTION_'}
_TITLES = {'ownership': 'Ownership', 'ordering': 'Ordering', 'atomicity': 'Atomicity',
           'cancel': 'Cancelling'}


def _read(path):
    with open(os.path.join(TOP, path), encoding='utf-8') as file:
        return file.read()


def full_name(entry):
    name = entry.name if entry.kind == 'call' else entry.name.upper()
    return _PREFIXES[entry.kind] + name


def page_path(entry):
    """Below docs/hel."""
    return f'{_PLACES[entry.kind]}{entry.name}.md'


def _link(entry, place=''):
    """A link to its page from a page in @place."""
    path = page_path(entry)
    if place and path.startswith(place):
        path = path[len(place):]
    elif place:
        path = '../' + path
    return f'[{full_name(entry)}]({path})'


def marked(text):
    """Names of the code in code font."""
    text = re.sub(r'@([\w.]+\w)', r'`\1`', text)
    text = re.sub(r'(?<![`\w])(-?ERR_\w+|HEL_\w+)', r'`\1`', text)
    return re.sub(r'(?<![`\w])(struct \w+|enum \w+|hel_\w+\(\))', r'`\1`', text)


def wrapped(text, indent=''):
    lines, line = [], ''
    for word in text.split():
        if line and len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = indent + word
        else:
            line = f'{line} {word}' if line else word
    return '\n'.join(lines + [line])


def _list(items):
    return '\n'.join(wrapped('* ' + item, '  ') for item in items)


def _sentence(text):
    return marked(text[0].upper() + text[1:]) + '.'


def _definitions(entry):
    """The C definitions of the structures and enumerations that the entry names."""
    words = [entry.summary, entry.record or '', entry.result or '']
    for argument in entry.arguments:
        words += [argument.type or '', argument.text]
    found = []
    for kind, name in dict.fromkeys(re.findall(r'\b(struct|enum) (hel_\w+)', ' '.join(words))):
        for header in _HEADERS:
            match = re.search(rf'^{kind} {name}\b[^;]*?{{.*?}};', _read(header),
                              re.MULTILINE | re.DOTALL)
            if match:
                found.append(match[0])
    return found


def _synopsis(entry):
    if entry.kind == 'call':
        start, parameters = prototype(entry)
        code = '#include <hel/hel-calls.h>\n\n' + joined(start, parameters, ');', '\t')
        return [f'```c\n{code}\n```',
                f'Call number {entry.number} (0x{0x80000000 + entry.number:08x} in `eax`).']
    if entry.kind == 'operation':
        result = entry.result and f'`{entry.result}`'
        after = (f'A completion without error is followed by {result}.' if result else
                 'There is no completion.' if 'silent' in entry.flags else
                 'Each action has its `struct hel_result` in the completion.'
                 if entry.name == 'exchange' else 'Nothing follows its completion.')
        return [wrapped(f'Opcode {entry.number}, `{entry.record}`. {after}')]
    meets = 'any action' if entry.meets == ['any'] else ' or '.join(
        f'[HEL_ACTION_{name.upper()}]({name}.md)' for name in entry.meets)
    return [wrapped(f'Type {entry.number} in `struct hel_action`. Its counterpart is {meets}.')]


def _arguments(entry):
    return [f'`{a.name if entry.kind != "call" else a.c_name}`: {marked(argument_text(a))}'
            for a in entry.arguments if a.kind not in ('zero', 'value') and argument_text(a)]


def _rights(entry):
    found = []
    for argument in entry.arguments:
        if argument.kind == 'handle':
            types = ' or '.join(argument.types) or 'any type'
            others = [word for word, may in (('HEL_THIS', argument.may_this),
                                             ('HEL_NULL', argument.may_null)) if may]
            needed = ' and '.join(argument.rights) or 'no right'
            text = f'`{argument.name}`: {types}, {needed}'
            found.append(text + (f'; or {" or ".join(f"`{w}`" for w in others)}' if others else ''))
    return found


def _errors(definition, entry):
    if 'noreturn' in entry.flags:
        return ['It does not return.']
    if 'silent' in entry.flags:
        return ['None: it never completes.']
    errors = definition.errors_of(entry)
    if not errors:
        return ['None.']
    parts = [_list(f'`-ERR_{name}`: {marked(when)}' for name, when in errors.items())]
    if entry.refused:
        parts.append('The whole exchange is refused with')
        parts.append(_list(f'`-ERR_{name}`: {marked(when)}'
                           for name, when in entry.refused.items()))
    return parts


def _default_texts(entry):
    """{keyword: text} of what is not said."""
    if entry.kind == 'call':
        return {'atomicity': 'A call that fails has changed nothing.',
                'cancel': 'It does not wait.'}
    if entry.kind == 'operation':
        return {'cancel': 'It does not wait.'}
    return {'cancel': 'While it waits for its counterpart, with the exchange.'}


def _texts(entry):
    parts = []
    defaults = {} if entry.flags & {'noreturn', 'silent'} else _default_texts(entry)
    for keyword, title in _TITLES.items():
        texts = entry.texts.get(keyword) or [t for k, t in defaults.items() if k == keyword]
        if texts:
            parts += [f'## {title}'] + [wrapped(marked(text)) for text in texts]
    return parts


def _see_also(definition, entry):
    others = [other for other in definition.entries
              if other.section == entry.section and other is not entry]
    others.sort(key=lambda other: other.number)
    place = _PLACES[entry.kind]
    return wrapped(', '.join(_link(other, place) for other in others))


def page(definition, entry):
    parts = [f'# {full_name(entry)}', wrapped(_sentence(entry.summary)), '## Synopsis']
    parts += _synopsis(entry)
    if entry.texts.get('about'):
        parts += ['## Description'] + [wrapped(marked(text)) for text in entry.texts['about']]
    if _arguments(entry):
        title = {'call': 'Arguments', 'operation': 'Fields', 'action': 'Fields'}[entry.kind]
        parts += [f'## {title}', _list(_arguments(entry))]
    value = entry.value
    if value is not None:
        name = value.c_name if entry.kind == 'call' else 'value'
        parts += ['## Result', _list([f'`{name}`: {marked(argument_text(value))}'])]
    structures = _definitions(entry)
    if structures:
        parts += ['## Structures', '```c\n' + '\n\n'.join(structures) + '\n```']
    parts += ['## Rights', _list(_rights(entry)) if _rights(entry) else 'None.']
    parts += ['## Errors'] + _errors(definition, entry)
    parts += _texts(entry)
    notes = f'{FOLDER}/notes/{_PLACES[entry.kind]}{entry.name}.txt'
    if os.path.exists(os.path.join(TOP, notes)):
        parts.append(_read(notes).rstrip())
    others = _see_also(definition, entry)
    if others:
        parts += ['## See also', others]
    return '\n\n'.join(parts) + '\n'


_README = '''# hel

hel is the interface between user mode and thor: objects behind handles, and calls on them. The
calls create objects, map memory and control threads; all of them finish at once. What may take
time, messages, events, the clock, observing threads, is submitted to a queue as an
[operation](operations/README.md), and its result comes back there; see
[queues](../internals/queues.md).

All of it is defined in `abi/hel/definition`; the C functions (`lib/hel/hel-calls.h`, one `syscall`
instruction each), the kernel's table, the tests of arguments and these pages are made of that. The
structures are in `abi/hel/hel.h` and `abi/hel/queue.h`. How to add a call:
[Adding a system call](../guide/add-a-system-call.md).

## Conventions

The number is in `eax` with bit 31 set, the arguments in `rdi rsi rdx r10 r8 r9`. Back come 0 or
an error in `rax` and at most one value in `rdx`; `rcx` and `r11` are lost, everything else is
kept. Where a page says so, `HEL_THIS` stands for the caller's own universe, space or thread, which
needs no rights. A flag or bit that is not defined is refused, and reserved fields must be zero.

## Errors

A call returns 0 or `-ERR_X` (`abi/hel/errors.def`); its page lists all that it can return, and a
test checks that list. A number that is no call gives `-ERR_ILLEGAL_SYSCALL`. If not said
otherwise a call that fails has changed nothing, and out parameters are written on success only.
'''

_OPERATIONS = '''# Operations

A record in the submission ring of a queue asks for an operation; its completion comes back through
the same queue, see [queues](../../internals/queues.md).

Every submission but PAD and CANCEL has exactly one completion, which carries its context, also if
it is refused or fails: the error is then in the completion. Every one that waits can be cancelled
by its context with [HEL_SUBMIT_CANCEL](cancel.md). Only a record whose size or opcode is nonsense
is an error of [hel_drive](../drive.md), for it has no context to report.
'''

_ACTIONS = '''# Actions

An [exchange](../operations/exchange.md) is a sequence of actions on a lane. Each waits until it
meets an action of the peer, in order; then both end. An action whose counterpart is another one
ends with `-ERR_TRANSMISSION_MISMATCH`, on both sides.

Each action has a result of its own in the completion. An action with `HEL_ACTION_ANCILLARY` behind
an accept that failed ends with the accept's error. What is wrong with an action when it is
submitted refuses the whole exchange: then no action of it has happened.
'''


def _index(head, entries):
    place = _PLACES[entries[0].kind]
    return head.rstrip() + '\n\n' + _list(
        f'{_link(entry, place)}: {marked(entry.summary)}' for entry in entries) + '\n'


def pages(definition):
    """{path: text}"""
    readme = [_README.rstrip()]
    for section, title in definition.sections.items():
        calls = definition.section_calls(section)
        if calls:
            readme += [f'## {title}',
                       _list(f'{_link(call)}: {marked(call.summary)}' for call in calls)]
    readme += ['## Operations and actions',
               '* [Operations](operations/README.md)\n* [Actions](actions/README.md)']
    result = {'README.md': '\n\n'.join(readme) + '\n',
              'operations/README.md': _index(_OPERATIONS, definition.operations),
              'actions/README.md': _index(_ACTIONS, definition.actions)}
    for entry in definition.entries:
        result[page_path(entry)] = page(definition, entry)
    return {f'{FOLDER}/{path}': text for path, text in result.items()}
