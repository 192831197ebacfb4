"""The conversation of a worker with `run.py`: a line in, a measure out, until there are no more."""

import json
import resource
import sys
import time


def answer(epoch, num_pictures):
    """Run an epoch for each line of standard input; say its images/s and the peak memory in MB."""
    epoch()  # compiles, fills caches, lets the allocators grow
    print(json.dumps('ready'), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        epoch()
        per_s = num_pictures / (time.perf_counter() - start)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({'per_s': per_s, 'memory': memory}), flush=True)
