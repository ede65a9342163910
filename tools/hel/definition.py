# SPDX-License-Identifier: MIT
"""Reads the definition of hel: abi/hel/definition/*.hel.

The language has one entry after the other; each begins at the margin, what belongs to it is
indented by one tab, and a text that goes on in the next line by two. `#` at the margin begins a
comment. A line is `words: text`; names of arguments stand as @name in texts.

    section NAME: Title                         what follows belongs to it
    call NUMBER NAME: summary                   NUMBER as in abi/hel, without bit 31
    operation NUMBER NAME: summary              HEL_SUBMIT_NAME
    action NUMBER NAME: summary                 HEL_ACTION_NAME

Arguments, in the order of the registers (calls), or fields of the record (operations) or of struct
hel_action (actions):

    scalar TYPE NAME [= VALUE]      a number; VALUE is a valid one (0 if not said)
    handle NAME TYPE[|TYPE] RIGHTS [THIS] [NULL] [REVOKED]
                                    a descriptor; TYPE as in enum hel_type, or `any`; RIGHTS as in
                                    enum hel_rights, joined by +, or -; whether HEL_THIS or HEL_NULL
                                    stand for something, whether it may have been revoked
    in TYPE NAME [NULL]             pointer to a structure that the kernel reads
    out TYPE NAME                   pointer to one that it writes on success
    inout TYPE NAME                 pointer to one that it reads, and writes on success
    inbytes TYPE NAME[SIZE]         pointer to SIZE bytes that it reads
    outbytes TYPE NAME[SIZE]        pointer to SIZE bytes that it writes
    word TYPE NAME                  pointer to a word that it looks at
    value TYPE NAME [always]        not an argument: the value that comes back, on success only or
                                    always

In calls a dotted NAME is a field of a structure before it (`handle args.space ...`); scalars there,
and in records and actions, have no TYPE. `zero NAME` is a field that must be 0.

    error NAME: when                beside those that follow from the arguments: BAD_HANDLE,
                                    REVOKED and BAD_TYPE from a handle, NO_RIGHTS from its rights,
                                    FAULT from pointers; and for actions what every one may end with
    refused NAME: when              action: the whole exchange is refused with it
    about, ownership, ordering, atomicity, cancel: text
    ignorable                       call: the result may be ignored
    noreturn                        call
    silent                          operation: never completes
    record STRUCT, result STRUCT    operation: its record, and what follows its completion
    meets NAME ...                  action: its counterparts, or `any`
"""

import glob
import os
import re

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(TOP, 'abi/hel/definition')

KINDS = ('call', 'operation', 'action')
TEXTS = ('about', 'ownership', 'ordering', 'atomicity', 'cancel')
POINTERS = ('in', 'out', 'inout', 'inbytes', 'outbytes', 'word')
REGISTERS_MAX = 6
ACTION_ERRORS = {
    'CANCELLED': 'the exchange was cancelled',
    'LANE_SHUTDOWN': 'our end of the stream was shut down or closed',
    'END_OF_LANE': "the peer's end of the stream is gone",
    'TRANSMISSION_MISMATCH': "the peer's action does not fit; both sides get it",
}

_LINE = re.compile(r'^(\t*)([^:\n]*?)(?::(?: +(.*))?)?$')


class Error(Exception):
    """The definition is wrong; says where."""


class Argument:
    """One argument, field or value."""

    def __init__(self, kind, name, text):
        self.kind = kind
        self.name = name            # as written; a dotted one is a field
        self.text = text
        self.type = None            # C type
        self.types = []             # handle: names of enum hel_type, empty: any
        self.rights = []
        self.may_this = False
        self.may_null = False
        self.may_be_revoked = False
        self.size_name = None       # bytes: the argument with their number
        self.example = '0'
        self.is_always = False      # value: also with an error

    @property
    def is_field(self):
        return '.' in self.name

    @property
    def is_pointer(self):
        return self.kind in POINTERS

    @property
    def c_name(self):
        """The parameter of the stub."""
        prefix = {'out': 'out_', 'inout': 'in_out_', 'value': 'out_'}.get(self.kind, '')
        return prefix + self.name


class Entry:
    """A call, an operation or an action."""

    def __init__(self, kind, number, name, section, summary):
        self.kind = kind
        self.number = number
        self.name = name
        self.section = section
        self.summary = summary
        self.arguments = []
        self.own_errors = {}        # error: when, as written
        self.refusals = {}          # action: error of the exchange: when
        self.texts = {}             # keyword: [paragraph]
        self.flags = set()
        self.record = None
        self.result = None
        self.meets = []

    @property
    def parameters(self):
        """What the stub takes: no fields."""
        return [a for a in self.arguments if not a.is_field]

    @property
    def registers(self):
        return [a for a in self.parameters if a.kind != 'value']

    @property
    def value(self):
        return next((a for a in self.arguments if a.kind == 'value'), None)

    def _standard_errors(self):
        """[(error, when)] that follow from the arguments."""
        handles = [a for a in self.arguments if a.kind == 'handle']
        for argument in handles:
            yield 'BAD_HANDLE', f'@{argument.name} names nothing'
        for argument in handles:
            if not argument.may_be_revoked:
                yield 'REVOKED', f'@{argument.name} was revoked'
        for argument in handles:
            if argument.types:
                yield 'BAD_TYPE', f'@{argument.name} is no {" or ".join(argument.types)}'
        for argument in handles:
            if argument.rights:
                yield 'NO_RIGHTS', f'@{argument.name} lacks {" or ".join(argument.rights)}'
        for argument in self.arguments:
            if argument.is_pointer and self.name != 'send_sg':
                how = {'out': 'writable', 'outbytes': 'writable', 'inout': 'writable'}.get(
                    argument.kind, 'readable')
                yield 'FAULT', f"@{argument.c_name} is not the caller's {how} memory"
        if self.kind == 'action':
            for error, text in ACTION_ERRORS.items():
                if error != 'TRANSMISSION_MISMATCH' or self.meets != ['any']:
                    yield error, text

    def _handle_errors_refuse(self, error):
        return self.kind == 'action' and error in ('BAD_HANDLE', 'REVOKED', 'BAD_TYPE',
                                                       'NO_RIGHTS')

    def _merged(self, pairs):
        result = {}
        for error, when in pairs:
            result.setdefault(error, []).append(when)
        return {error: ', or '.join(whens) for error, whens in result.items()}

    @property
    def errors(self):
        """{error: when}: what the call returns, or the operation or action ends with."""
        pairs = [(e, t) for e, t in self._standard_errors() if not self._handle_errors_refuse(e)]
        return self._merged(pairs + list(self.own_errors.items()))

    @property
    def refused(self):
        """{error: when} of an action: what its exchange is refused with."""
        pairs = [(e, t) for e, t in self._standard_errors() if self._handle_errors_refuse(e)]
        return self._merged(pairs + list(self.refusals.items()))


class Definition:
    """All sections and entries."""

    def __init__(self):
        self.sections = {}          # name: title, in the order of the lowest numbers
        self.entries = []

    def of_kind(self, kind):
        return sorted((e for e in self.entries if e.kind == kind), key=lambda e: e.number)

    @property
    def calls(self):
        return self.of_kind('call')

    @property
    def operations(self):
        return self.of_kind('operation')

    @property
    def actions(self):
        return self.of_kind('action')

    def section_calls(self, section):
        return [e for e in self.calls if e.section == section]

    def errors_of(self, entry):
        """{error: when}; an exchange is also refused with what its actions are."""
        errors = entry.errors
        if entry.kind == 'operation' and entry.name == 'exchange':
            for action in self.actions:
                for error in action.refused:
                    errors.setdefault(error, 'an action says so')
        return errors


def _read(path):
    with open(os.path.join(TOP, path), encoding='utf-8') as file:
        return file.read()


class _Names:
    """What the headers of abi/hel define."""

    def __init__(self):
        types = _read('abi/hel/types.h')
        self.errors = set(re.findall(r'^HEL_ERROR\((\w+)', _read('abi/hel/errors.def'), re.M))
        self.types = {name.lower() for name in re.findall(r'\bHEL_TYPE_(\w+)', types)}
        self.rights = set(re.findall(r'\bHEL_RIGHT_(\w+)', types))


class _Reader:
    """Reads one file into a Definition."""

    def __init__(self, definition, names, text, path):
        self.definition = definition
        self.names = names
        self.path = path
        self.section = None
        self.entry = None
        for number, words, line_text in self._lines(text):
            self.line = number
            self._take(words, line_text)

    def _fail(self, why):
        raise Error(f'{self.path}:{self.line}: {why}')

    @staticmethod
    def _lines(text):
        """[(number, indented words, text)]; lines that go on are joined."""
        result = []
        for number, line in enumerate(text.split('\n'), 1):
            line = line.rstrip()
            if not line or line.startswith('#'):
                continue
            is_more = line.startswith('\t\t')
            if is_more and result:
                first, words, so_far = result[-1]
                result[-1] = (first, words, f'{so_far} {line.strip()}'.strip())
                continue
            match = _LINE.match(line)
            result.append((number, match[1] + match[2].strip(), match[3] or ''))
        return result

    def _take(self, words, text):
        parts = words.split()
        if not words.startswith('\t'):
            self._begin(parts, text)
        elif self.entry is None:
            self._fail('indented, and no entry before it')
        else:
            self._attribute(parts[0], parts[1:], text)

    def _begin(self, parts, text):
        if parts[0] == 'section' and len(parts) == 2:
            self.section, self.entry = parts[1], None
            self.definition.sections[self.section] = text
            return
        if parts[0] not in KINDS or len(parts) != 3 or not parts[1].isdigit() or not text:
            self._fail(f'expected "{"|".join(KINDS)} NUMBER NAME: summary"')
        if self.section is None:
            self._fail('no section yet')
        for other in self.definition.entries:
            if other.kind == parts[0] and (other.number == int(parts[1]) or other.name == parts[2]):
                self._fail(f'number or name of {other.name} again')
        self.entry = Entry(parts[0], int(parts[1]), parts[2], self.section, text)
        self.definition.entries.append(self.entry)

    def _attribute(self, keyword, words, text):
        entry = self.entry
        if keyword in TEXTS and text:
            entry.texts.setdefault(keyword, []).append(text)
        elif keyword in ('ignorable', 'noreturn', 'silent'):
            entry.flags.add(keyword)
        elif keyword in ('error', 'refused') and len(words) == 1 and text:
            found = entry.own_errors if keyword == 'error' else entry.refusals
            if words[0] not in self.names.errors or words[0] in found:
                self._fail(f'{words[0]}: no error, or twice')
            found[words[0]] = text
        elif keyword in ('record', 'result') and len(words) == 2:
            setattr(entry, keyword, ' '.join(words))
        elif keyword == 'meets':
            entry.meets = words
        else:
            entry.arguments.append(self._argument(keyword, words, text))

    def _argument(self, keyword, words, text):
        if not words:
            self._fail(f'{keyword}: unknown, or without name')
        if keyword == 'handle':
            return self._handle(words, text)
        if '=' in words:
            at = words.index('=')
            words, example = words[:at], ' '.join(words[at + 1:])
        else:
            example = '0'
        options = set()
        while words[-1] in ('always', 'NULL'):
            options.add(words.pop())
        name, _, size = words[-1].partition('[')
        argument = Argument(keyword, name, text)
        argument.type = ' '.join(words[:-1]) or None
        argument.size_name = size.rstrip(']') or None
        argument.example = example
        argument.is_always = 'always' in options
        argument.may_null = 'NULL' in options
        if keyword not in POINTERS + ('scalar', 'value', 'zero'):
            self._fail(f'{keyword}: unknown')
        if keyword.endswith('bytes') != (argument.size_name is not None):
            self._fail(f'{name}: only bytes have a size, and need one')
        if self.entry.kind == 'call' and not argument.is_field and argument.type is None:
            self._fail(f'{name}: it has no type')
        return argument

    def _handle(self, words, text):
        if len(words) < 3 or not set(words[3:]) <= {'THIS', 'NULL', 'REVOKED'}:
            self._fail('expected "handle NAME TYPE RIGHTS [THIS] [NULL] [REVOKED]"')
        argument = Argument('handle', words[0], text)
        argument.type = 'hel_handle'
        argument.types = [] if words[1] == 'any' else words[1].split('|')
        argument.rights = [] if words[2] == '-' else words[2].split('+')
        argument.may_this = 'THIS' in words[3:]
        argument.may_null = 'NULL' in words[3:]
        argument.may_be_revoked = 'REVOKED' in words[3:]
        if not set(argument.types) <= self.names.types:
            self._fail(f'no type of descriptor: {words[1]}')
        if not set(argument.rights) <= self.names.rights:
            self._fail(f'no right: {words[2]}')
        return argument


def _check(entry):
    """What is wrong with a complete entry, or None."""
    names = [a.name for a in entry.arguments]
    if len(set(names) - {None}) < len([a for a in entry.arguments if a.kind != 'value']):
        return 'an argument comes twice'
    if entry.kind == 'call' and len(entry.registers) > REGISTERS_MAX:
        return 'too many arguments'
    if sum(a.kind == 'value' for a in entry.arguments) > 1:
        return 'more than one value'
    for argument in entry.arguments:
        if argument.size_name and entry.kind == 'call' and argument.size_name not in names:
            return f'{argument.size_name}: no such argument'
        if not argument.text and argument.kind != 'zero' and not argument.is_field:
            return f'{argument.name}: it says nothing'
    if entry.kind == 'operation' and entry.record is None:
        return 'it has no record'
    return None


def parse(texts):
    """The Definition in {path: text}."""
    definition, names = Definition(), _Names()
    for path in sorted(texts):
        _Reader(definition, names, texts[path], path)
    for entry in definition.entries:
        why = _check(entry)
        if why:
            raise Error(f'{entry.kind} {entry.name}: {why}')
    lowest = {}
    for entry in definition.entries:
        lowest[entry.section] = min(entry.number, lowest.get(entry.section, entry.number))
    definition.sections = dict(sorted(definition.sections.items(),
                                      key=lambda item: lowest.get(item[0], 0)))
    return definition


def load():
    """The Definition of this tree."""
    texts = {}
    for path in glob.glob(os.path.join(FOLDER, '*.hel')):
        with open(path, encoding='utf-8') as file:
            texts[os.path.relpath(path, TOP)] = file.read()
    return parse(texts)
