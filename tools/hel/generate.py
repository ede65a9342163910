#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes all that follows from abi/hel/definition: stubs, tables, tests of arguments, pages.

    generate.py            write the files
    generate.py --check    "ok hel-generated" if they are what would be written
"""

import glob
import os
import sys

import emit_c
import emit_checks
import emit_pages
from definition import TOP, Error, load


def outputs():
    """{path: text}"""
    definition = load()
    result = {
        'lib/hel/hel-calls.gen.h': emit_c.stubs(definition),
        'abi/hel/calls.gen.h': emit_c.call_table(definition),
        'abi/hel/operations.gen.h': emit_c.operation_table(definition),
        'tests/kernel/argument-checks.gen.h': emit_checks.checks(definition),
    }
    result.update(emit_pages.pages(definition))
    return result


def _read(path):
    try:
        with open(os.path.join(TOP, path), encoding='utf-8') as file:
            return file.read()
    except OSError:
        return None


def _strays(wanted):
    """Pages of what is not defined any more."""
    found = glob.glob(os.path.join(TOP, emit_pages.FOLDER, '**/*.md'), recursive=True)
    return sorted({os.path.relpath(path, TOP) for path in found} - set(wanted))


def _write(wanted):
    for path, text in wanted.items():
        if _read(path) != text:
            full_path = os.path.join(TOP, path)
            os.makedirs(os.path.dirname(full_path), exist_ok=True)
            with open(full_path, 'w', encoding='utf-8') as file:
                file.write(text)
    for path in _strays(wanted):
        os.remove(os.path.join(TOP, path))


def _check(wanted):
    wrong = [f'{path} is of nothing that is defined' for path in _strays(wanted)]
    wrong += [f'{path} is not what the definition says' for path, text in wanted.items()
              if _read(path) != text]
    for line in wrong:
        print(f'{line}: run tools/hel/generate.py')
    print(f'not ok hel-generated: {len(wrong)} files' if wrong else 'ok hel-generated')
    return 1 if wrong else 0


def main():
    try:
        wanted = outputs()
    except Error as error:
        print(f'not ok hel-generated: {error}')
        return 1
    if sys.argv[1:] == ['--check']:
        return _check(wanted)
    _write(wanted)
    return 0


if __name__ == '__main__':
    sys.exit(main())
