"""Seconds, and whether this process had the machine to itself meanwhile."""

import time

import psutil

OTHERS = 0.05  # of all cores' time: what a machine without other work spends at most


class Clock:
    """Runs from when it is made."""

    def __init__(self):
        self.started, self.others = time.perf_counter(), time_of_others()

    def read(self):
        """(seconds, whether all other processes together took less than 5 % of the cores)."""
        seconds = time.perf_counter() - self.started
        others = time_of_others() - self.others
        return seconds, others < OTHERS * seconds * psutil.cpu_count()


def time_of_others():
    """Seconds of all cores so far that were neither idle nor this process's, which it starts with.

    What the host of a virtual machine gave to others (steal) counts.
    """
    times = psutil.cpu_times()
    twice = times.guest + times.guest_nice  # they are in user and nice already
    return sum(times) - twice - times.idle - times.iowait - time.process_time()
