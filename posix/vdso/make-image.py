# SPDX-License-Identifier: MIT
"""make-image.py VDSO OUTPUT: an assembly file that makes the vDSO a part of the shim's image.

It is made anew whenever the vDSO is, so that its object is: compilers tell of no file behind
.incbin.
"""

import os
import sys

with open(sys.argv[2], 'w', encoding='utf-8') as file:
    file.write('\t.section .shim.vdso, "a", @progbits\n'
               f'\t.incbin "{os.path.abspath(sys.argv[1])}"\n')
