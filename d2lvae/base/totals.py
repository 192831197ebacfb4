"""The means of an epoch's loss terms, which MXNet's engine is asked for only now and then."""

import math

from mxnet import np

from d2lvae.base.errors import CourseError

SYNC_EVERY = 50  # steps: bounds the queue of MXNet's engine, and how late a NaN is seen


class Totals:
    """Sums of the terms of one epoch's steps, arrays of one number by their names.

    `report` is told now and then how many steps more are done, and the terms of the last one.
    """

    def __init__(self, epoch, num_steps, report):
        self.epoch, self.num_steps, self.report = epoch, num_steps, report
        self.sums, self.queue, self.done = {}, [], 0

    def add(self, terms):
        """Queue a step's terms; CourseError at a number that is not finite."""
        self.queue.append(terms)
        if len(self.queue) < SYNC_EVERY and self.done + len(self.queue) < self.num_steps:
            return
        values = np.stack([value for terms in self.queue for value in terms.values()])
        values = values.reshape(len(self.queue), len(terms)).asnumpy()
        for step, value in enumerate(values, self.done):
            for name, number in zip(terms, value):
                if not math.isfinite(number):
                    raise CourseError(
                        f'Training broke down: {name} is {number} at step {step} of '
                        f'epoch {self.epoch} (from 0). Lower lr or the weights.'
                    )
        for name, number in zip(terms, values.sum(axis=0, dtype='float64')):
            self.sums[name] = self.sums.get(name, 0.0) + float(number)
        self.done += len(self.queue)
        self.queue = []
        self.report(len(values), dict(zip(terms, values[-1])))

    def means(self):
        return {name: total / self.num_steps for name, total in self.sums.items()}
