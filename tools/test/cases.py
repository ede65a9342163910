# SPDX-License-Identifier: MIT
"""Runs the functions case_* of a test script; prints a line per case."""

import sys
import traceback


def run(functions):
    """functions: the script's globals(). Exits with 1 if a case failed."""
    n_failed = 0
    for name, function in list(functions.items()):
        if not name.startswith('case_'):
            continue
        title = name.removeprefix('case_')
        try:
            function()
            print(f'ok {title}')
        except Exception as error:   # a case may fail in any way; the others still run
            n_failed += 1
            where = traceback.extract_tb(error.__traceback__)[-1].lineno
            print(f'not ok {title}: line {where}: {type(error).__name__}: {error}')
    sys.exit(1 if n_failed else 0)
