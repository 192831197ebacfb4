"""Decoded pictures kept on disk, so that only a data set's first use takes time.

A picture set is two files: `<key>.npy` with the array, and `<key>.json` with its checksum and what
else is known of it. Both follow from the key, so processes that write them at once do no harm.
"""

import functools
import io
import json
import zlib

import numpy as onp

from d2lvae.base.errors import CourseError
from d2lvae.base.files import DISK_FULL, write_whole
from d2lvae.data.archive import tell

tell_once = functools.cache(tell)  # a sentence for each folder, not for each file


def load(folder, key):
    """The pictures, mapped from the disk and read-only, and the facts stored with them.

    None if they are not there, or damaged.
    """
    path = folder / f'{key}.npy'
    try:
        facts = json.loads((folder / f'{key}.json').read_bytes())
        whole = facts.pop('crc32') == zlib.crc32(onp.memmap(path, mode='r'))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return (onp.load(path, mmap_mode='r'), facts) if whole else None


def store(folder, key, images, **facts):
    """Keep pictures and facts; errors as of `keep`."""
    content = io.BytesIO()
    onp.save(content, images)
    facts['crc32'] = zlib.crc32(content.getbuffer())
    keep(folder / f'{key}.npy', content.getbuffer())
    keep(folder / f'{key}.json', json.dumps(facts).encode())


def keep(path, content):
    """Write what can be made again; where that isn't allowed, say so and go on without.

    Raises CourseError if the disk is full.
    """
    try:
        write_whole(path, content)
    except (CourseError, OSError) as e:
        error = e.__cause__ or e
        if error.errno in DISK_FULL:
            raise
        tell_once(f'{path.parent} cannot be written ({error.strerror}): nothing is kept there.')
