"""The conversation of a worker with `run.py`: a line in, a measure out, until there are no more."""

import json
import re
import sys
import time
from pathlib import Path


def answer(epoch, amount):
    """Run an epoch once, then for each line of standard input; say its rate and the memory.

    `amount` is what an epoch does, in pictures or in multiply-adds: `per_s` is that in a second.
    `memory` is the most that this process ever had in RAM, in MB.
    """
    epoch()  # compiles, fills caches, lets the allocators grow
    say('ready')
    for _ in sys.stdin:
        start = time.perf_counter()
        epoch()
        seconds = time.perf_counter() - start
        say({'per_s': amount / seconds, 'memory': peak_memory()})


def say(value):
    print(json.dumps(value), flush=True)


def peak_memory():
    """The most memory in RAM of this process so far, in MB.

    Not from `getrusage`: its maximum is inherited, from a parent that may have been larger.
    """
    status = Path('/proc/self/status').read_text()
    return int(re.search(r'VmHWM:\s+(\d+) kB', status)[1]) / 1024
