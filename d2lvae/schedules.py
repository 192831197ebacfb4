"""What follows from the `choices.TrainingParameters` p step by step.

`step` counts from 0 over the whole run, `num_steps` is the number of steps in an epoch.
"""

import math


def phase(p, epoch):
    """'solo' or 'combo'."""
    return 'solo' if epoch < p.solo_epochs else 'combo'


def pbp_weight_at(p, step, num_steps):
    """1 while solo, then `pbp_weight`, decayed by *combo* epochs (the study's: all epochs)."""
    combo_steps = step - p.solo_epochs * num_steps
    if combo_steps < 0:
        return 1.0
    steps_between = max(1, round(p.pbp_decay_every * num_steps))
    return p.pbp_weight * p.pbp_decay ** (combo_steps // steps_between)


def disc_weight_at(p, step, num_steps):
    """0 while solo, then up the ramp to `disc_weight`."""
    combo_steps = step + 1 - p.solo_epochs * num_steps
    ramp_steps = max(1, p.disc_ramp_epochs * num_steps)
    return p.disc_weight * min(1.0, max(0.0, combo_steps / ramp_steps))


def lr_at(p, step, num_steps):
    """The learning rate of both networks."""
    if p.lr_schedule == 'constant':
        return p.lr
    return p.lr * (1 + math.cos(math.pi * step / (p.num_epochs * num_steps))) / 2
