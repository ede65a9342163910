#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the errors that the tests over arch/sim saw with those that the definition has.

    complete.py FOLDER      prints a case for each call, operation and action

FOLDER has what the tests left there (kernel/thor/arch/sim/witness.c). An error that was seen and is
not defined fails, and so does one that is defined and was not seen, unless tools/hel/unseen has it.
"""

import os
import re
import sys

from definition import TOP, load

_KINDS = {'call': 'calls', 'operation': 'operations', 'action': 'actions', 'refusal': 'actions'}


def _error_names():
    with open(os.path.join(TOP, 'abi/hel/errors.def'), encoding='utf-8') as file:
        return {int(number): name
                for name, number in re.findall(r'^HEL_ERROR\((\w+), (\d+)', file.read(), re.M)}


def seen_in(folder):
    """{(kind, number): names of errors}"""
    names, found = _error_names(), {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding='utf-8') as file:
            for line in file:
                kind, number, error = line.split()
                errors = found.setdefault((kind, int(number)), set())
                if int(error) != 0:
                    errors.add(names.get(int(error), error))
    return found


def unseen():
    """{"call close": names of errors} that no test can produce yet, or in the sim."""
    found = {}
    with open(os.path.join(TOP, 'tools/hel/unseen'), encoding='utf-8') as file:
        for line in file:
            words = line.partition('#')[0].split()
            if words:
                found[' '.join(words[:2])] = set(words[2:])
    return found


def compare(definition, seen, excused):
    """(case, [what is wrong]) for each entry."""
    for kind, plural in _KINDS.items():
        for entry in getattr(definition, plural):
            if 'silent' in entry.flags or 'noreturn' in entry.flags:
                continue
            wanted = set(entry.refused if kind == 'refusal' else definition.errors_of(entry))
            got = seen.get((kind, entry.number), set())
            allowed = excused.get(f'{kind} {entry.name}', set())
            wrong = [f'{error} was seen and is not defined' for error in sorted(got - wanted)]
            wrong += [f'{error} is defined and no test sees it'
                      for error in sorted(wanted - got - allowed)]
            yield f'{kind} {entry.name}', wrong


def main():
    n_wrong = 0
    for case, wrong in compare(load(), seen_in(sys.argv[1]), unseen()):
        print(f'not ok {case}: {"; ".join(wrong)}' if wrong else f'ok {case}')
        n_wrong += bool(wrong)
    return 1 if n_wrong else 0


if __name__ == '__main__':
    sys.exit(main())
