#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Models of protocols in Promela: spin finds nothing wrong with them, and finds known mistakes."""

import os
import subprocess
import sys
import tempfile

_HERE = os.path.dirname(os.path.abspath(__file__))
_MODELS = {
    'queue': ('WITHOUT_WAKE', 'WITHOUT_FLUSH', 'LOOK_WITHOUT_LOCK', 'EARLY_SUPPLY',
              'ALERT_WITHOUT_LATCH', 'ALERT_WITHOUT_LOCK', 'LATCH_TAKEN_EARLY'),
}


def errors_of(model, *macros):
    """How many errors a search through all states of a model finds: 0 or 1."""
    with tempfile.TemporaryDirectory(prefix='hati-model-') as folder:
        def run(*command):
            return subprocess.run(command, cwd=folder, check=True, capture_output=True,
                                  text=True).stdout

        run('spin', *(f'-D{macro}' for macro in macros), '-a',
            os.path.join(_HERE, f'{model}.pml'))
        run('gcc', '-O2', '-w', '-DSAFETY', '-o', 'pan', 'pan.c')
        report = run('./pan', '-m1000000')
    if 'search depth too small' in report:
        raise ValueError('not all states were seen')
    return int(report.split('errors: ')[1].split()[0])


def main():
    has_failed = False
    for model, mistakes in _MODELS.items():
        for macros, expected in [((), 0)] + [((mistake,), 1) for mistake in mistakes]:
            name = '-'.join(('model', model, *macros)).lower().replace('_', '-')
            n_errors = errors_of(model, *macros)
            if n_errors == expected:
                print(f'ok {name}')
            else:
                print(f'not ok {name}: {n_errors} errors instead of {expected}')
                has_failed = True
    sys.exit(has_failed)


if __name__ == '__main__':
    main()
