#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares what bragi makes of tests/*.bragi with what is recorded beside them.

    test-golden.py BRAGI [--update]

A source with X.error is expected to fail with exactly that message; any other has X.gen.h and
X.gen.c.
--update records the present output: read the diff before committing it.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).parent / 'tests'


def compile_source(bragi, source, folder):
    """(error text or None, header, code)"""
    header = pathlib.Path(folder) / (source.stem + '.gen.h')
    code = pathlib.Path(folder) / (source.stem + '.gen.c')
    result = subprocess.run([bragi, source.name, header, code], cwd=source.parent, check=False,
                            capture_output=True, text=True)
    if result.returncode != 0:
        return result.stderr, None, None
    return None, header.read_text(), code.read_text()


def expected(source, suffix):
    path = source.with_suffix(suffix)
    return path.read_text() if path.exists() else None


def record(source, suffix, text):
    path = source.with_suffix(suffix)
    if text is not None:
        path.write_text(text)
    elif path.exists():
        path.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('bragi', type=pathlib.Path)
    parser.add_argument('--update', action='store_true')
    options = parser.parse_args()
    n_failed = 0
    for source in sorted(TESTS.glob('*.bragi')):
        with tempfile.TemporaryDirectory() as folder:
            outputs = compile_source(options.bragi.resolve(), source, folder)
        pairs = list(zip(('.error', '.gen.h', '.gen.c'), outputs))
        if options.update:
            for suffix, text in pairs:
                record(source, suffix, text)
        wrong = [suffix for suffix, text in pairs if text != expected(source, suffix)]
        if wrong:
            n_failed += 1
            print(f'not ok {source.stem}: differs in {", ".join(wrong)}')
            if outputs[0]:
                print('# ' + outputs[0].replace('\n', '\n# '))
        else:
            print(f'ok {source.stem}')
    return 1 if n_failed else 0


if __name__ == '__main__':
    sys.exit(main())
