# SPDX-License-Identifier: MIT
"""The tests of arguments that follow from the definition: one row for each way to be wrong.

tests/kernel/argument-checks.h says what the rows mean; the sim's and the guest's tests run them.
"""

from emit_c import WIDTH, head, joined

_POINTERS = (('unmapped', 'UNMAPPED'), ('kernel_half', 'KERNEL_HALF'), ('wrapping', 'WRAPPING'))
_REGISTERS = 6


def _good_pointer(argument):
    if argument.kind == 'in':
        return f'IN({argument.type})'
    return 'WORD()' if argument.kind == 'word' else 'BUFFER()'


def _good(argument, is_null_wanted):
    """A valid value."""
    if argument.may_null and is_null_wanted:
        return 'HEL_NULL' if argument.kind == 'handle' else '0'
    if argument.kind == 'handle':
        if argument.may_this:
            return 'HEL_THIS'
        return f'GOOD({(argument.types or ["token"])[0].upper()})'
    if argument.is_pointer:
        return _good_pointer(argument)
    return argument.example


def _wrong(argument):
    """[(suffix of the name, error, value)]"""
    if argument.kind == 'handle':
        found = [('stale', 'BAD_HANDLE', 'STALE()')]
        if not argument.may_be_revoked:
            kind = (argument.types or ['token'])[0].upper()
            found.append(('revoked', 'REVOKED', f'REVOKED({kind})'))
        if argument.types:
            found.append(('of_other_type', 'BAD_TYPE', f'OTHER({argument.types[0].upper()})'))
        for right in argument.rights:
            kind = (argument.types or ['token'])[0].upper()
            found.append((f'without_{right.lower()}', 'NO_RIGHTS', f'WITHOUT({kind}, {right})'))
        return found
    if argument.is_pointer:
        return [(suffix, 'FAULT', value) for suffix, value in _POINTERS]
    return []


def _fields(entry, of, wrong, value):
    """Designated initialisers of the fields below @of (a call's structure) or of a record."""
    found = []
    for argument in entry.arguments:
        base, _, field = argument.name.rpartition('.')
        if base != of or argument.kind in ('zero', 'value'):
            continue
        good = _good(argument, not wrong.may_null)
        found.append(f'.{field} = {value if argument is wrong else good}')
    return [f for f in found if not f.endswith(' = 0')]


def _row(macro, parts):
    assert WIDTH == 100
    return joined(f'{macro}(', parts, ')', '\t')


def _call_rows(call):
    for wrong in call.arguments:
        for suffix, error, value in _wrong(wrong):
            values = []
            for register in call.registers:
                text = value if register is wrong else _good(register, not wrong.may_null)
                if register.kind == 'in' and register is not wrong:
                    fields = _fields(call, register.name, wrong, value)
                    text = f'IN({", ".join([register.type] + fields)})'
                values.append(text)
            values += ['0'] * (_REGISTERS - len(values))
            name = wrong.name.replace('.', '_')
            yield _row('CALL_CHECK', [f'{call.name}_{name}_{suffix}', call.name, error] + values)


def _operation_rows(operation):
    for wrong in operation.arguments:
        for suffix, error, value in _wrong(wrong):
            name = f'{operation.name}_{wrong.name}_{suffix}'
            if operation.name == 'exchange':
                yield _row('REFUSAL_CHECK', [name, error, value, '.type = HEL_ACTION_DISMISS'])
                continue
            fields = _fields(operation, '', wrong, value)
            yield _row('OPERATION_CHECK', [name, operation.name.upper(), error, operation.record]
                       + fields)


def _action_fields(action, wrong, value):
    fields = [f'.type = HEL_ACTION_{action.name.upper()}', f'.{wrong.name} = {value}']
    if wrong.size_name:
        fields.append(f'.{wrong.size_name} = 16')
    return fields


def _action_rows(action):
    for wrong in action.arguments:
        for suffix, error, value in _wrong(wrong):
            name = f'{action.name}_{wrong.name}_{suffix}'
            fields = _action_fields(action, wrong, value)
            if error in action.refused:
                yield _row('REFUSAL_CHECK', [name, error, 'GOOD(LANE)'] + fields)
            else:
                peer = f'HEL_ACTION_{action.meets[0].upper()}'
                yield _row('ACTION_CHECK', [name, error, peer] + fields)


def checks(definition):
    rows = [row for call in definition.calls for row in _call_rows(call)]
    rows += [row for operation in definition.operations for row in _operation_rows(operation)]
    rows += [row for action in definition.actions for row in _action_rows(action)]
    about = 'Every handle and pointer of hel, wrong in every way: see argument-checks.h.'
    return head(about) + '\n' + '\n'.join(rows) + '\n'
