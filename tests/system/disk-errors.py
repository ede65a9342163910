#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 7200
"""ext4 on a disk with errors at random places: what fsync has promised is there afterwards.

tests/disk/faulty uses a mounted file system while QEMU's blkdebug refuses reads, writes and
flushes, once or for good. The image is then looked at twice, by our replay of the journal and by
e2fsck's: both must hold what the program says, and e2fsck must find nothing.

HATI_ERRORS_ROUNDS (default 4): each with other places; HATI_ERRORS_SEED: which is the first."""

import io
import os
import random
import re
import shutil
import struct
import subprocess
import tarfile
import tempfile

import guest
from guest import check, check_equal

_ROUNDS = int(os.environ.get('HATI_ERRORS_ROUNDS', '4'))
_SEED = int(os.environ.get('HATI_ERRORS_SEED', '1'))
_OPERATIONS = int(os.environ.get('HATI_ERRORS_OPERATIONS', '3000'))
_PROGRAM = os.path.join(guest.BUILD_FOLDER, 'tests/disk/faulty')
_IMAGE_BYTES = 24 << 20
_BLOCK = 4096
_MAGIC = 0x66617579
_ENV = dict(os.environ, PATH=os.environ['PATH'] + ':/usr/sbin:/sbin')

_RUN = '''
until [ -b /dev/vda ]; do sleep 0.1; done
mkdir -p /mnt
mount -t ext4 /dev/vda /mnt || mount -t ext4 /dev/vda /mnt || mount -t ext4 /dev/vda /mnt || exit 1
/faulty /mnt "$1" "$2" || echo "faulty has ended with $?"
umount /mnt && echo unmounted
'''
_SHOW = '''
until [ -b /dev/vda ]; do sleep 0.1; done
mkdir -p /mnt && mount -t ext4 /dev/vda /mnt || exit 1
tar c -C /mnt . && umount /mnt
'''


def tool(*command):
    result = subprocess.run(command, env=_ENV, capture_output=True, timeout=120, check=False)
    check(result.returncode == 0, f'{command}: {result.stdout[-500:]!r} {result.stderr[-500:]!r}')
    return result.stdout.decode('utf-8', 'replace')


def _make_image(image, chance):
    with open(image, 'wb') as file:
        file.truncate(_IMAGE_BYTES)
    on_error = chance.choice(('continue', 'remount-ro'))
    tool('mke2fs', '-q', '-F', '-t', 'ext4', '-b', str(_BLOCK), '-J', 'size=4', '-e', on_error,
         image)
    return on_error


def _places(image):
    """Blocks of the image by what they are for."""
    journal = [int(word) for word in tool('debugfs', '-R', 'blocks <8>', image).split()]
    stats = tool('debugfs', '-R', 'stats', image)
    bitmaps = [int(re.search(rf'{what} bitmap at (\d+)', stats)[1]) for what in ('block', 'inode')]
    table = int(re.search(r'inode table at (\d+)', stats)[1])
    folder = int(tool('debugfs', '-R', 'blocks <2>', image).split()[0])
    return {
        'journal': journal[:200],
        'metadata': [*bitmaps, table, table + 1, folder],
        'data': [block for block in range(table + 400, _IMAGE_BYTES // _BLOCK)
                 if block not in journal][:1200],
    }


def _rules(places, chance):
    """What blkdebug refuses."""
    rules = []
    for _ in range(chance.randint(1, 12)):
        kind = chance.choice(('read', 'write', 'write', 'write', 'flush'))
        rule = {'event': 'none', 'iotype': kind, 'errno': 5,
                'once': chance.choice(('on', 'on', 'off'))}
        if kind == 'flush':
            rule['once'] = 'on'
        else:
            # who cannot read the others cannot mount
            place = chance.choice(('journal', 'metadata', 'data', 'data', 'data')
                                  if kind == 'write' else ('data',))
            rule['sector'] = chance.choice(places[place]) * (_BLOCK // 512) + chance.randrange(8)
        rules.append(rule)
    if chance.random() < 0.5:   # something that is hit
        rules += [{'event': 'none', 'iotype': 'write', 'errno': 5, 'once': 'on',
                   'sector': block * (_BLOCK // 512)} for block in places['data'][:600:7]]
    return rules


def _use(image, rules, seed):
    """What the program says in the guest."""
    words = ['driver=blkdebug', 'node-name=d', 'image.driver=file', f'image.filename={image}']
    for number, rule in enumerate(rules):
        words += [f'inject-error.{number}.{key}={value}' for key, value in rule.items()]
    options = f'-blockdev {",".join(words)} -device virtio-blk-pci,drive=d'
    outcome = guest.run(
        'busybox', 'sh', '-c', _RUN, 'sh', str(seed), str(_OPERATIONS), timeout=100,
        options=('--qemu', options, '--add', f'{_PROGRAM}:/faulty'))
    text = outcome.text() + outcome.errors.decode('utf-8', 'replace')
    if outcome.status == 1 and text.count('failed: Input/output error') == 3:
        return None
    check('\nend' in text and 'unmounted' in text, f'in the guest: {text[-600:]}')
    print(f'# seed {seed}: {len(rules)} places, {re.search("errors .*", text)[0]}', flush=True)
    return text


def _check_file(name, content, states):
    number = int(name[1:])
    for block, (safe, last) in enumerate(states):
        data = content[block * _BLOCK:(block + 1) * _BLOCK]
        data += bytes(_BLOCK - len(data))
        magic, file, at, version = struct.unpack_from('<IIII', data)
        check(data == data[:16] * (_BLOCK // 16), f'{name}: block {block} is of several pieces')
        if magic == 0 and version == 0:
            version = 0
        else:
            check_equal((magic, file, at), (_MAGIC, number, block),
                        f'{name}: what block {block} is')
        check(safe <= version <= last,
              f'{name}: block {block} has version {version}, safe {safe}, last {last}')


def _check_contents(said, found, who):
    """Compare what was promised with {name: content}."""
    try:
        for line in said.splitlines():
            words = line.split()
            if line.startswith('file '):
                states = [tuple(map(int, pair.split('/'))) for pair in words[2:]]
                is_promised = any(safe for safe, _ in states)
                check(words[1] in found or not is_promised, f'{words[1]} is missing')
                _check_file(words[1], found.get(words[1], b''), states)
            elif line.startswith('name '):
                check(words[2] == 'may' or (words[1] in found) == (words[2] == 'is'),
                      f'{words[1]}: {words[2]}')
    except guest.Failure as failure:
        raise guest.Failure(f'by {who}: {failure}') from failure


def _found_by_us(image):
    outcome = guest.run('busybox', 'sh', '-c', _SHOW, timeout=60, options=(
        '--qemu', f'-drive file={image},if=none,id=d,format=raw '
                  '-device virtio-blk-pci,drive=d'))
    check_equal(outcome.status, 0, f'the mount: {outcome.errors[-300:]!r}; status')
    with tarfile.open(fileobj=io.BytesIO(outcome.output)) as archive:
        return {os.path.basename(member.name): archive.extractfile(member).read()
                for member in archive if member.isfile()}


# What e2fsck may say: nothing that it has to mend, but the sums in the superblock, which no
# transaction holds and which are not written when the journal was given up.
_FINE = re.compile(r'e2fsck |Pass \d|'
                   r'\S*: (recovering journal|\d+/\d+ files|\*\*\*\*\* FILE SYSTEM WAS)|'
                   r'.*contains a file system with errors, check forced|'
                   r'Free (blocks|inodes) count wrong \(|Fix\? yes|$')


def _check_image(image):
    """The journal is replayed, and that errors were met before may be forgotten; nothing else."""
    for options in (('-y', '-E', 'journal_only'), ('-fy',)):
        result = subprocess.run(('e2fsck', *options, image), env=_ENV, timeout=120, check=False,
                                capture_output=True, text=True)
        bad = [line for line in (result.stdout + result.stderr).splitlines()
               if not _FINE.match(line)]
        check(not bad and result.returncode in (0, 1), f'e2fsck says: {bad[:8]}')


def _found_by_e2fsck(image):
    _check_image(image)
    with tempfile.TemporaryDirectory(prefix='hati-found-') as folder:
        tool('debugfs', '-R', f'rdump / {folder}', image)
        found = {}
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                with open(path, 'rb') as file:
                    found[name] = file.read()
        return found


def _round(seed):
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix='hati-errors-') as folder:
        image, other = os.path.join(folder, 'image'), os.path.join(folder, 'other')
        on_error = _make_image(image, chance)
        rules = _rules(_places(image), chance)
        try:
            said = _use(image, rules, seed)
            if said is None:
                print(f'# seed {seed}: it cannot be mounted')
                return
            shutil.copyfile(image, other)
            _check_contents(said, _found_by_e2fsck(image), 'e2fsck')
            _check_contents(said, _found_by_us(other), 'us')
            _check_image(other)
        except guest.Failure as failure:
            places = ', '.join(f'{rule["iotype"]} {rule.get("sector")}' for rule in rules[:12])
            raise guest.Failure(f'seed {seed}, {on_error}, {places}: {failure}') from failure


def promises_are_kept():
    for seed in range(_SEED, _SEED + _ROUNDS):
        _round(seed)


if __name__ == '__main__':
    guest.main([promises_are_kept])
