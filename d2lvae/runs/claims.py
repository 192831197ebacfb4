"""The claims, written down as data before the runs were made, and what the runs say of them."""

import functools
from pathlib import Path
from typing import Annotated, Literal

import numpy as onp
import pandas as pd
import pydantic
import yaml
from scipy import stats

from d2lvae.base.errors import CourseError
from d2lvae.metrics import mean_ci95
from d2lvae.runs import catalogue

PLURAL = {'holds': 'hold', 'does not hold': 'do not', 'open': 'are open', 'one run': 'have one run'}
VERDICTS = tuple(PLURAL)
COLUMNS = ['claim', 'data', 'difference', 'interval', 'seeds', 'verdict', "study's size (one run)"]
FORMS = {'psnr': '.2f', 'held_out_loss': '.2f', 'rank': '.2f'}  # of numbers; others have three
HEAD = """# Claims

Written by `python -m d2lvae tables` from [`claims.yaml`](../d2lvae/runs/claims.yaml) and the
folders beside this page. The claims about digits and avatars were written down before their runs
were made, but for the first seed of three recipes: the best on digits; the one of 24 epochs on
avatars, whose weight was chosen from that seed at 50, 100, 200 and 800; and the best on small
avatars (32 pixels), whose KL weight and weight were chosen from that seed, and from what a blind
reader said of five such choices. The claims about small anime faces were written down before, too,
but for that on shifts, of whose two runs one had been seen; those about the study's ResNet after.

The difference is that of the two runs a claim names, paired over the seeds that both have; its
interval is Student's 95 % interval of the mean. A claim *holds* if the interval lies wholly on
the claimed side (or, for "no difference", inside the margin), *does not hold* if it lies wholly
on the other side (or outside the margin), and is *open* otherwise, or while there is no run. With
a single seed there is no interval, and no verdict: *one run*. A rank correlation can't exceed 1,
so Student's interval does not apply: for it the least and the greatest of the seeds stand instead.
At 95 % about one interval in twenty misses the true difference; a verdict is wrong only if its
interval misses it on the far side of the mark as well. The last column has the difference that
single runs at the study's own size and many more steps show, and no verdict.
"""


class Claim(pydantic.BaseModel):
    """A claim about runs, each by a name that the catalogue knows.

    Of two runs the difference of `metric`, the first less the second, is `greater` or `smaller`
    than `than`, or within `margin` of 0. Of one run it is the metric itself. Two metrics are the
    first run's and the second's. With `ranked_by`, a parameter, it is Spearman's rank correlation
    of that parameter and the metric over all runs. `study_size` names two rows of
    `results/study_size.csv`.
    """

    model_config = pydantic.ConfigDict(strict=True, frozen=True, extra='forbid')

    id: str
    claim: str
    data: Literal['digits', 'avatars', 'anime']
    runs: Annotated[list[str], pydantic.Field(min_length=1)]
    metric: str | list[str]
    side: Literal['greater', 'smaller'] | None = None
    than: float = 0.0
    margin: Annotated[float, pydantic.Field(gt=0)] | None = None
    ranked_by: str | None = None
    study_size: list[str] | None = None

    @pydantic.model_validator(mode='after')
    def _says_one_thing(self):
        if (self.side is None) == (self.margin is None):
            raise ValueError(f'{self.id} needs a side or a margin, and not both')
        if not self.ranked_by and len(self.runs) > 2:
            raise ValueError(f'{self.id} names more than two runs and no parameter to rank them by')
        return self

    @property
    def metrics(self):
        """The metric of each run."""
        return self.metric if isinstance(self.metric, list) else [self.metric] * len(self.runs)

    def by_seed(self):
        """What the claim is about for each seed that all its runs have; {} without a run."""
        entries = [catalogue.find(run) for run in self.runs]
        values = [seed_values(e.summary, m) for e, m in zip(entries, self.metrics)]
        seeds = sorted(set.intersection(*map(set, values)))
        rows = {seed: [of_run[seed] for of_run in values] for seed in seeds}
        if self.ranked_by:
            order = [getattr(entry.experiment, self.ranked_by) for entry in entries]
            return {seed: float(stats.spearmanr(order, row)[0]) for seed, row in rows.items()}
        return {seed: row[0] - sum(row[1:]) for seed, row in rows.items()}

    def verdict(self, interval):
        """`holds`, `does not hold` or `open`, by an interval (low, high)."""
        low, high = interval
        if self.margin is not None:
            inside = -self.margin <= low and high <= self.margin
            outside = low > self.margin or high < -self.margin
        else:
            sign = 1 if self.side == 'greater' else -1
            low, high = sorted((sign * (low - self.than), sign * (high - self.than)))
            inside, outside = low > 0, high < 0
        return 'holds' if inside else 'does not hold' if outside else 'open'

    def row(self):
        """The claim's row of the table, as text by `COLUMNS`."""
        values = self.by_seed()
        told = self.told(list(values.values()))
        cells = self.claim, self.data, self.difference_text(values), *told, self.study_size_text()
        return dict(zip(COLUMNS, cells))

    def told(self, values):
        """Interval, number of seeds, and verdict."""
        if len(values) < 2:
            return ['–', str(len(values)), 'one run' if values else 'open']
        interval = (min(values), max(values)) if self.ranked_by else interval_of(values)
        text = ' to '.join(f'{bound:{self.form}}' for bound in interval)
        return [text, str(len(values)), self.verdict(interval)]

    @property
    def form(self):
        """Format of the claim's numbers; differences have a sign."""
        sign = '+' if len(self.runs) == 2 and not self.ranked_by else ''
        return sign + FORMS.get('rank' if self.ranked_by else self.metrics[0], '.3f')

    def difference_text(self, values):
        if not values:
            return '–'
        text = f'{onp.mean(list(values.values())):{self.form}}'
        if self.ranked_by:
            text += f' ({", ".join(f"{value:{self.form}}" for value in values.values())})'
        return text

    def study_size_text(self):
        """The difference at the study's size after the last epoch that both runs have, or ''."""
        rows = catalogue.study_size()
        if not self.study_size or rows is None:
            return ''
        runs = [rows[rows['run'] == run].set_index('epoch')[self.metric] for run in self.study_size]
        both = runs[0].index.intersection(runs[1].index)
        epoch = both.max()
        return f'{runs[0][epoch] - runs[1][epoch]:{self.form}} (epoch {epoch})' if len(both) else ''


def interval_of(values):
    found = mean_ci95(values)
    return found['mean'] - found['ci95'], found['mean'] + found['ci95']


def seed_values(summary, metric):
    """A metric of a run by its seeds; {} if there is no run, or no such metric in it."""
    if not summary or metric not in summary['metrics']:
        return {}
    return dict(zip(summary['seeds'], summary['metrics'][metric]['values']))


@functools.cache
def claims():
    """Every claim by its id."""
    content = yaml.safe_load(Path(__file__).with_name('claims.yaml').read_text())['claims']
    return {claim.id: claim for claim in (Claim(**entry) for entry in content)}


def table(chosen=None):
    """Claims and what the results say of them, as text: `COLUMNS` by the claims' ids.

    `chosen` is a list of ids, or the name of the data, or None for all. CourseError if there are
    no such claims.
    """
    if isinstance(chosen, str):
        ids = [claim.id for claim in claims().values() if claim.data == chosen]
    else:
        ids = list(claims() if chosen is None else chosen)
    unknown = [name for name in ids if name not in claims()]
    if unknown or not ids:
        raise CourseError(f'There is no claim {", ".join(unknown) or chosen}: see claims.yaml.')
    return pd.DataFrame([claims()[name].row() for name in ids], index=ids, columns=COLUMNS)


def page():
    """`results/claims.md`."""
    found = table()
    counts = found['verdict'].value_counts()
    told = ', '.join(f'{counts.get(verdict, 0)} {PLURAL[verdict]}' for verdict in VERDICTS)
    decided = [name for name in found.index if found['verdict'][name] in VERDICTS[:2]]
    compared = len({tuple(claims()[name].runs) for name in decided})
    lines = [COLUMNS, ['---'] * len(COLUMNS), *found.values.tolist()]
    rows = '\n'.join(f'| {" | ".join(line)} |' for line in lines)
    return (
        f'{HEAD}\nOf {len(found)} claims: {told}. '
        f'Distinct comparisons among those decided: {compared}.\n\n{rows}\n'
    )
