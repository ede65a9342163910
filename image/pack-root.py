#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Packs a root file system into an archive that `./hati run --root` takes without more work.

    pack-root.py SOURCE OUTPUT      SOURCE: whatever --root takes
"""

import os
import shutil
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, '../tools/launcher'))
import roots  # noqa: E402
from options import UsageError  # noqa: E402


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        root, _ = roots.open_root(sys.argv[1])
    except UsageError as error:
        sys.exit(f'pack-root.py: {error}')
    with root, open(sys.argv[2], 'wb') as output:
        shutil.copyfileobj(root, output, 1 << 20)


if __name__ == '__main__':
    main()
