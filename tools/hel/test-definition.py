#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The reader of hel's definition: what it understands, and what it refuses."""

import sys

import complete
import definition
import emit_checks
import emit_c

GOOD = '''section s: Things
call 7 thing_make: make a thing
	handle universe universe GRANT THIS: where
	in struct hel_thing_args args: what
	scalar args.size = 8
	outbytes void buffer[size]: room
	scalar size_t size = 16: its bytes
	value hel_handle handle: the
		thing
	error BUSY: somebody makes one
'''

BAD = {
    'no section': 'call 1 a: b\n',
    'twice': GOOD + 'call 7 other: something\n',
    'unknown right': GOOD.replace('GRANT', 'GIVE'),
    'unknown type': GOOD.replace('universe GRANT', 'multiverse GRANT'),
    'unknown error': GOOD.replace('BUSY', 'LAZY'),
    'unknown keyword': GOOD + '\tcolour blue: a colour\n',
    'no such size': GOOD.replace('buffer[size]', 'buffer[length]'),
    'without a word': GOOD.replace(': room', ''),
    'without record': GOOD + 'operation 1 a: b\n',
}


def test_reads():
    call = definition.parse({'x': GOOD}).calls[0]
    assert [a.name for a in call.registers] == ['universe', 'args', 'buffer', 'size']
    assert call.value.text == 'the thing'
    assert list(call.errors) == ['BAD_HANDLE', 'REVOKED', 'BAD_TYPE', 'NO_RIGHTS', 'FAULT', 'BUSY']
    assert 'const struct hel_thing_args *args' in emit_c.stubs(definition.parse({'x': GOOD}))


def test_checks_each_argument():
    rows = emit_checks.checks(definition.parse({'x': GOOD}))
    for name in ('universe_stale', 'universe_of_other_type', 'universe_without_grant',
                 'args_unmapped', 'args_kernel_half', 'buffer_wrapping'):
        assert f'CALL_CHECK(thing_make_{name}, ' in rows, name


def test_refuses():
    for why, text in BAD.items():
        try:
            definition.parse({'x': text})
        except definition.Error:
            continue
        raise AssertionError(why)


def test_completeness():
    parsed = definition.parse({'x': GOOD})
    everything = {('call', 7): set(parsed.calls[0].errors)}
    assert all(not wrong for _, wrong in complete.compare(parsed, everything, {}))
    less = {('call', 7): everything['call', 7] - {'BUSY'} | {'IO'}}
    (_, wrong), = complete.compare(parsed, less, {})
    assert len(wrong) == 2 and 'IO was seen' in wrong[0] and 'BUSY is defined' in wrong[1]
    (_, wrong), = complete.compare(parsed, less, {'call thing_make': {'BUSY'}})
    assert len(wrong) == 1


def main():
    for name, test in sorted(globals().items()):
        if name.startswith('test_'):
            test()
            print(f'ok hel-{name[5:].replace("_", "-")}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
