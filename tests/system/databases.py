# SPDX-License-Identifier: MIT
"""For powercut.py: what sqlite finds in the databases of tests/powercut/database.c after a cut."""

import os
import shutil
import sqlite3
import subprocess

N_DATABASES = 3
# How many transactions whose COMMIT had returned may be missing, see database.c.
MAY_LOSE = (0, 0, 1)
N_KEPT, REWRITTEN = 50, 7


def row_of(number, n_steps):
    """(number, version, bytes) after so many transactions."""
    version = int(number + REWRITTEN <= n_steps)
    size = 10 + number * 7919 % 3000
    return number, version, bytes((number * 31 + version * 17 + i) & 255 for i in range(size))


def look_into(path, n_least, n_most):
    """Why a database is not as one of these transactions has left it, '' if it is."""
    connection = sqlite3.connect(path)
    try:
        verdict = connection.execute('pragma integrity_check').fetchall()
        if verdict != [('ok',)]:
            return f'integrity_check says {verdict[:3]}'
        (n_steps,), = connection.execute('select n_steps from state').fetchall()
        if not n_least <= n_steps <= n_most:
            return f'{n_steps} transactions, not {n_least} to {n_most}'
        rows = connection.execute('select * from rows order by number').fetchall()
    except sqlite3.Error as error:
        return str(error)
    finally:
        connection.close()
    expected = [row_of(number, n_steps)
                for number in range(max(1, n_steps - N_KEPT + 1), n_steps + 1)]
    if rows != expected:
        wrong = [row[:2] for row, right in zip(rows, expected) if row != right]
        return f'{n_steps} transactions, {len(rows)} rows for {len(expected)}, wrong: {wrong[:5]}'
    return ''


def judge(image, markers, folder):
    """Why the databases on an image are not what their markers say, '' if they are."""
    if not any(markers):
        return ''   # they may not have been made yet
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    try:
        subprocess.run(['debugfs', '-R', f'rdump /db {folder}', image], capture_output=True,
                       check=True)
        for number, n_done in enumerate(markers):
            path = os.path.join(folder, 'db', str(number), 'base')
            if not os.path.exists(path):
                return f'database {number} is gone'
            why = look_into(path, n_done - MAY_LOSE[number], n_done + 1)
            if why:
                return f'database {number}, {n_done} committed: {why}'
        return ''
    finally:
        shutil.rmtree(folder, ignore_errors=True)
