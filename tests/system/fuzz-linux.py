#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 14400
"""Random Linux calls as root and as nobody (tests/fuzz-linux): no panic, no hang, nothing lost.

HATI_FUZZ_CALLS (default 200000, of both together) and HATI_FUZZ_SEED (default 1) say how many, and
which.
"""

import os

import guest
from guest import check, check_equal

N_CALLS = int(os.environ.get('HATI_FUZZ_CALLS', '200000'))
SEED = int(os.environ.get('HATI_FUZZ_SEED', '1'))
PROGRAM = os.path.join(guest.BUILD_FOLDER, 'tests/fuzz-linux/fuzz-linux')
_MEMORY = '1G'


def calls_of(user, *options):
    """Half of the calls as that user; the program judges, and says what it has seen."""
    outcome = guest.run(
        '/fuzz-linux', '--user', user, '--calls', str(N_CALLS // 2), '--seed', str(SEED),
        '--hel', '3', '--check-memory', *options,
        options=('--add', f'{PROGRAM}:/fuzz-linux', '--memory', _MEMORY),
        timeout=120 + N_CALLS // 500)
    text = outcome.text() + outcome.errors.decode('utf-8', 'replace')
    shown = text.splitlines()[-8 if outcome.status == 0 else -400:]
    print('\n'.join('# ' + line for line in shown))
    check('worker' in text, 'it did not begin')
    check_equal(outcome.status, 0, 'the status')


def random_calls_as_nobody():
    calls_of('nobody')


def random_calls_as_root():
    calls_of('root', '--world')


if __name__ == '__main__':
    guest.main([random_calls_as_nobody, random_calls_as_root])
