#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the handbook's pages on the hel calls from lib/hel's headers and abi/hel/calls.def.

    hel_calls.py            write docs/hel/*.md
    hel_calls.py --check    "ok docs-hel-calls" if the pages are what would be written

The comment of each call in the header is the source: its summary, arguments, text and errors. What
is said in addition stands in docs/hel/notes/<call>.txt, if there is such a file.
"""

import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(TOP, 'docs/hel')
HEADERS = ('lib/hel/hel-calls.h', 'lib/hel/hel-thread-calls.h', 'lib/hel/hel-dma-calls.h',
           'lib/hel/hel-managed-calls.h')
STRUCTURES = ('abi/hel/hel.h', 'abi/hel/dma.h', 'abi/hel/queue.h', 'abi/hel/bounce.h',
              'abi/hel/types.h')
WIDTH = 110

_CALL = re.compile(r'^HEL_CALL\((\d+), (\w+), (\d+)\)', re.MULTILINE)
_SECTION = re.compile(r'^/\* ---- (.*?) -+ \*/$')
_FUNCTION = re.compile(
    r'/\*\*\n((?: \*.*\n)+?) \*/\n((?:.*\n)*?)\{\n', re.MULTILINE)


def read(path):
    with open(os.path.join(TOP, path), encoding='utf-8') as file:
        return file.read()


def numbers():
    """{call: number}"""
    return {name: int(number) for number, name, _ in _CALL.findall(read('abi/hel/calls.def'))}


class Call:
    """One call as its header describes it."""

    def __init__(self, comment, declaration, section):
        self.section = section
        lines = [line[3:] if len(line) > 2 else '' for line in comment.rstrip('\n').split('\n')]
        name, _, self.summary = lines[0].partition(' - ')
        self.name = name.strip()[len('hel_'):-len('()')]
        signature = ' '.join(declaration.split())
        for word in ('HEL_MUST_USE ', 'static inline ', '__attribute__((noreturn)) '):
            signature = signature.replace(word, '')
        self.signature = self._broken(signature.replace('( ', '(').strip() + ';')
        self.arguments, self.text, self.errors = [], [], ''
        self._parse(lines[1:])

    @staticmethod
    def _broken(signature):
        """In two lines if it is long."""
        if len(signature) <= WIDTH:
            return signature
        at = signature.rindex(', ', 0, WIDTH) + 1
        return signature[:at] + '\n\t' + signature[at + 1:]

    def _parse(self, lines):
        paragraph = 'summary'
        for line in lines:
            if line.startswith('@'):
                name, _, text = line[1:].partition(':')
                self.arguments.append([name, text.strip()])
                paragraph = 'argument'
            elif line.startswith('Return:'):
                self.errors = line[len('Return:'):].strip()
                paragraph = 'errors'
            elif not line.strip():
                paragraph = None
            elif paragraph == 'summary':
                self.summary += ' ' + line.strip()
            elif paragraph == 'argument':
                self.arguments[-1][1] += ' ' + line.strip()
            elif paragraph == 'errors':
                self.errors += ' ' + line.strip()
            elif paragraph == 'text':
                self.text[-1] += ' ' + line.strip()
            else:
                self.text.append(line.strip())
                paragraph = 'text'


def calls():
    """All calls, in the order of their numbers; a comment without a function is none."""
    found = {}
    for path in HEADERS:
        section, text = '', read(path)
        marks = [(m.start(), m[1]) for m in re.finditer(_SECTION.pattern, text, re.MULTILINE)]
        for match in _FUNCTION.finditer(text):
            section = [title for start, title in marks if start < match.start()][-1]
            call = Call(match[1], match[2], section)
            found[call.name] = call
    order = numbers()
    return sorted((call for call in found.values() if call.name in order),
                  key=lambda call: order[call.name])


def marked(text):
    """Names of the code in code font."""
    text = re.sub(r'@(\w+)', r'`\1`', text)
    text = re.sub(r'(?<![`\w])(-?ERR_\w+|HEL_\w+)', r'`\1`', text)
    return re.sub(r'(?<![`\w])(struct \w+|enum \w+|hel_\w+\(\))', r'`\1`', text)


def definitions(call):
    """The C definitions of the structures and enumerations that the call names."""
    text = ' '.join([call.signature, call.summary] + [line for _, line in call.arguments])
    found = []
    for kind, name in dict.fromkeys(re.findall(r'\b(struct|enum) (hel_\w+)', text)):
        for header in STRUCTURES:
            match = re.search(rf'^{kind} {name}\b[^;]*?{{.*?}};', read(header),
                              re.MULTILINE | re.DOTALL)
            if match:
                found.append(match[0])
    return found


def wrapped(text, indent=''):
    lines, line = [], ''
    for word in text.split():
        if line and len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = indent + word
        else:
            line = f'{line} {word}' if line else word
    return '\n'.join(lines + [line])


def rights(call):
    """[(argument, what it needs)]"""
    found = []
    for name, text in call.arguments:
        match = re.search(r'needs ([A-Z]+(?: and [A-Z]+)*)', text)
        if match:
            found.append((name, match[1]))
    return found


def page(call, number, by_section):
    summary = marked(call.summary[0].upper() + call.summary[1:]) + '.'
    parts = [f'# hel_{call.name}', wrapped(summary),
             '## Synopsis', f'```c\n#include <hel/hel-calls.h>\n\n{call.signature}\n```',
             f'Call number {number} (0x{0x80000000 + number:08x} in `eax`).']
    if call.text:
        parts.append('## Description')
        parts += [wrapped(marked(text)) for text in call.text]
    if call.arguments:
        parts.append('## Arguments')
        parts.append('\n'.join(wrapped(f'* `{name}`: {marked(text)}', '  ')
                               for name, text in call.arguments))
    structures = definitions(call)
    if structures:
        parts.append('## Structures')
        parts.append('```c\n' + '\n\n'.join(structures) + '\n```')
    needed = rights(call)
    parts.append('## Rights')
    parts.append('\n'.join(f'* `{name}`: {right}' for name, right in needed) if needed
                 else 'Those of the handles in the structure: see below.' if structures and
                 'args' in call.signature else 'None.')
    parts.append('## Errors')
    parts.append(wrapped(marked('Returns ' + call.errors)) if call.errors
                 else 'It does not return.')
    parts.append('What every call can return stands on the [first page](README.md#errors).')
    notes = os.path.join(FOLDER, 'notes', call.name + '.txt')
    if os.path.exists(notes):
        parts.append(read(os.path.relpath(notes, TOP)).rstrip())
    others = [f'[hel_{other.name}]({other.name}.md)' for other in by_section[call.section]
              if other is not call]
    if others:
        parts.append('## See also')
        parts.append(wrapped(', '.join(others)))
    return '\n\n'.join(parts) + '\n'


README_HEAD = '''# The hel calls

hel is the interface between user mode and thor: objects behind handles, and calls on them. The C
functions are in `lib/hel/hel-calls.h`, one `syscall` instruction each; the structures they take
are in `abi/hel/hel.h`, the numbers in `abi/hel/calls.def`. These pages are written from the
headers by `tools/docs/hel_calls.py`.

The calls create objects, map memory and control threads; all of them finish at once. What may
take time, messages, events, the clock, observing threads, is submitted to a queue, and its result
comes back there: see [queues](../internals/queues.md).

## Conventions

The number is in `eax` with bit 31 set, the arguments in `rdi rsi rdx r10 r8 r9`. Back come 0 or
an error in `rax` and at most one value in `rdx`; `rcx` and `r11` are lost, everything else is
kept. A `universe`, `space` or `thread` argument may be `HEL_THIS`: the caller's own, which needs
no rights.

## Errors

A call returns 0 or `-ERR_X` (`abi/hel/errors.def`), and changes nothing when it fails. Every call
can return

* `-ERR_BAD_HANDLE` for a handle that names nothing,
* `-ERR_BAD_TYPE` for a descriptor of the wrong type,
* `-ERR_NO_RIGHTS` if it lacks a right that the page names as needed,
* `-ERR_FAULT` for a pointer that is not the caller's readable (or writable) memory,
* `-ERR_NO_MEMORY` if thor or the caller's account has no more,
* `-ERR_ILLEGAL_SYSCALL` for a number that is no call.
'''


def pages():
    """{path below docs/hel: text}"""
    order, by_section, found = numbers(), {}, calls()
    for call in found:
        by_section.setdefault(call.section, []).append(call)
    result = {}
    readme = [README_HEAD.rstrip()]
    for section, members in by_section.items():
        readme.append(f'## {section[0].upper()}{section[1:]}')
        readme.append('\n'.join(
            wrapped(f'* [hel_{call.name}]({call.name}.md): {marked(call.summary)}', '  ')
            for call in members))
        for call in members:
            result[call.name + '.md'] = page(call, order[call.name], by_section)
    missing = [name for name in order if name not in {call.name for call in found}]
    if missing:
        sys.exit(f'hel_calls.py: calls without a comment in lib/hel: {", ".join(missing)}')
    result['README.md'] = '\n\n'.join(readme) + '\n'
    return result


def main():
    is_check = sys.argv[1:] == ['--check']
    wrong = []
    wanted = pages()
    present = {name for name in os.listdir(FOLDER) if name.endswith('.md')}
    for name in sorted(present - set(wanted)):
        wrong.append(f'{name} is of no call')
    for name, text in wanted.items():
        path = os.path.join(FOLDER, name)
        if not is_check:
            with open(path, 'w', encoding='utf-8') as file:
                file.write(text)
        elif name not in present or read(os.path.relpath(path, TOP)) != text:
            wrong.append(f'{name} is not what the header says')
    if not is_check:
        return 0
    for line in wrong:
        print(f'docs/hel/{line}: run tools/docs/hel_calls.py')
    print(f'not ok docs-hel-calls: {len(wrong)} pages' if wrong else 'ok docs-hel-calls')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
