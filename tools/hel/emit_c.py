# SPDX-License-Identifier: MIT
"""The C files that are made of the definition: stubs, tables, numbers."""

import re
import textwrap

WIDTH = 100
TAB = 8

_MADE = '/* Made by tools/hel/generate.py of abi/hel/definition: do not edit. */\n'
_LICENCE = '/* SPDX-License-Identifier: MIT */\n'


def head(about, guard=None):
    text = _LICENCE + _MADE + f'/* {about} */\n'
    return text + (f'#ifndef {guard}\n#define {guard}\n' if guard else '')


def _width(line):
    return len(line.expandtabs(TAB))


def wrapped(text, first, rest):
    """@text in lines that begin with @first and then @rest."""
    lines, line, is_empty = [], first, True
    for word in text.split():
        if not is_empty and _width(line) + 1 + len(word) > WIDTH:
            lines.append(line.rstrip())
            line, is_empty = rest, True
        line += word if is_empty else ' ' + word
        is_empty = False
    return lines + [line.rstrip()]


def joined(start, parts, end, indent):
    """@start, @parts with commas and @end, as clang-format would break them."""
    line = f'{start}{", ".join(parts)}{end}'
    if _width(line) <= WIDTH:
        return line
    lines, line = [], start
    for index, part in enumerate(parts):
        piece = part + (',' if index + 1 < len(parts) else end)
        space = '' if line == start or line == indent else ' '
        if _width(line + space + piece) > WIDTH and line != indent:
            lines.append(line.rstrip())
            line, space = indent, ''
        line += space + piece
    return '\n'.join(lines + [line])


# ---- stubs

def _parameter(argument):
    if argument.kind in ('in', 'inbytes', 'word'):
        return f'const {argument.type} *{argument.c_name}'
    if argument.is_pointer or argument.kind == 'value':
        return f'{argument.type} *{argument.c_name}'
    return f'{argument.type} {argument.c_name}'


def prototype(call):
    """(its beginning with the name and parenthesis, parameters)"""
    kind = 'void' if 'noreturn' in call.flags else 'int'
    return f'{kind} hel_{call.name}(', [_parameter(a) for a in call.parameters] or ['void']


def _passed(argument):
    if argument.type in ('int', 'int32_t'):
        return f'(uint64_t)(int64_t){argument.c_name}'
    if argument.is_pointer or argument.type == 'int64_t':
        return f'(uint64_t){argument.c_name}'
    return argument.c_name


def argument_text(argument):
    """What is said about an argument, with what its descriptor needs."""
    words = []
    if argument.kind == 'handle':
        if argument.may_this:
            words.append('HEL_THIS')
        if argument.may_null:
            words.append('HEL_NULL')
        if argument.rights:
            words.append('needs ' + ' and '.join(argument.rights))
    elif argument.may_null:
        words.append('NULL')
    words = ' or '.join(words)
    if argument.kind == 'value' and argument.is_always:
        words = 'also with an error; may be NULL'
    return '; '.join(part for part in (words, argument.text) if part)


def _comment(call):
    lines = ['/**'] + wrapped(f'hel_{call.name}() - {call.summary}', ' * ', ' * ')
    for argument in call.parameters:
        lines += wrapped(f'@{argument.c_name}: {argument_text(argument)}', ' * ', ' * \t')
    for text in call.texts.get('about', []):
        lines += [' *'] + wrapped(text, ' * ', ' * ')
    if 'noreturn' not in call.flags:
        errors = [f'-ERR_{name} ({when})' for name, when in call.own_errors.items()]
        lines += [' *'] + wrapped('Return: ' + ', '.join(['0'] + errors) + '.', ' * ', ' * ')
    return '\n'.join(lines + [' */']) + '\n'


def _body(call):
    registers = call.registers
    passed = [f'HEL_CALL_{call.name}'] + [_passed(a) for a in registers]
    start = f'hel_call{len(registers)}('
    if 'noreturn' in call.flags:
        return f'\tfor (;;) {{\n\t\t{start}{", ".join(passed)});\n\t}}\n'
    if call.value is None:
        return joined(f'\treturn (int){start}', passed, ').error;', '\t\t') + '\n'
    value = call.value
    cast = '' if value.type in ('hel_handle', 'uint64_t') else f'({value.type})'
    test = f'{value.c_name} != NULL' if value.is_always else 'outcome.error == 0'
    return (joined(f'\tstruct hel_outcome outcome = {start}', passed, ');', '\t\t') +
            f'\n\n\tif ({test}) {{\n\t\t*{value.c_name} = {cast}outcome.value;\n\t}}\n'
            '\treturn (int)outcome.error;\n')


def _stub(call):
    attribute = ('__attribute__((noreturn)) ' if 'noreturn' in call.flags
                 else '' if 'ignorable' in call.flags else 'HEL_MUST_USE ')
    start, parameters = prototype(call)
    return (_comment(call) +
            joined(f'{attribute}static inline {start}', parameters, ')', '\t') +
            '\n{\n' + _body(call) + '}\n')


def stubs(definition):
    parts = [head('The hel calls as C functions: a part of hel-calls.h.', 'HEL_HEL_CALLS_GEN_H') +
             '\n#include <hel/hel-number.h>\n']
    for section, title in definition.sections.items():
        calls = definition.section_calls(section)
        if calls:
            line = f'/* ---- {title.lower()} '
            parts.append(line + '-' * (WIDTH - len(line) - 3) + ' */\n')
            parts += [_stub(call) for call in calls]
    return '\n'.join(parts) + '\n#endif\n'


# ---- tables

def call_table(definition):
    lines = [f'HEL_CALL({call.number}, {call.name}, {len(call.registers)})'
             for call in definition.calls]
    about = 'The hel calls: HEL_CALL(number, name, number of arguments).'
    return head(about) + '\n'.join(lines) + '\n'


def _enum(name, prefix, entries, base):
    lines = [f'enum {name} : {base} {{']
    for entry in entries:
        lines += wrapped(entry.summary, '\t/* ', '\t * ')
        lines[-1] += ' */'
        lines.append(f'\t{prefix}{entry.name.upper()} = {entry.number},')
    return '\n'.join(lines + ['};']) + '\n'


def operation_table(definition):
    rows = '\n'.join(f'\tX({o.number}, {o.name}, {o.record}) \\' for o in definition.operations)
    actions = '\n'.join(f'\tX({a.number}, {a.name}) \\' for a in definition.actions)
    return '\n'.join([
        head('Submissions and actions: a part of queue.h.', 'ABI_HEL_OPERATIONS_GEN_H'),
        '#include <stdint.h>\n',
        _enum('hel_submit_opcode', 'HEL_SUBMIT_', definition.operations, 'uint32_t'),
        _enum('hel_action_type', 'HEL_ACTION_', definition.actions, 'uint16_t'),
        '/** HEL_OPERATIONS() - X(number, name, type of its record) for each submission */',
        '#define HEL_OPERATIONS(X) \\\n' + rows[:-2] + '\n',
        '/** HEL_ACTIONS() - X(number, name) for each action */',
        '#define HEL_ACTIONS(X) \\\n' + actions[:-2] + '\n',
        '#endif\n'])


def used_structures(text):
    """Names of structures and enumerations that a text mentions, each once."""
    return list(dict.fromkeys(re.findall(r'\b(?:struct|enum) hel_\w+', text)))


def paragraph(text, width):
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
