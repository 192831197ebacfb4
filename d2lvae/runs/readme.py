"""What the README says of the results: a ladder of pictures, three findings, six rows of numbers.

It stands between comments that name the part, `<!-- findings -->` and `<!-- end -->`.
"""

import re

import numpy as onp
import pandas as pd

from d2lvae import metrics, plots, show
from d2lvae.base import files, paths
from d2lvae.runs import catalogue, claims, tables

README = paths.ROOT / 'README.md'
SIDE = 64  # pixels of a face; digits are framed and enlarged to it
ROWS = ('held out', 'plain VAE', 'with D', 'plain + noise, as sharp')
SHOWN = {  # runs with a discriminator, and how many of their pictures; each beside its control
    'digits': (
        'DenseVAE_DenseLogReg_on_MNIST/5_3_400_1_200_75_150_4_beta0.5_jitter0.3_binarised_cosine',
        2,
    ),
    'drawn faces': (
        'ConvVAE_ConvDisc_LeakyReLU_on_avatars/'
        '64_32_32_6+18_200_1_spectral_32px_b16_beta0.5_shift4_cosine',
        3,
    ),
}
FINDINGS = {  # what it is about, and the claims that tell
    'A weight buys sharpness, and has its price (digits).': ('digits-rank', 'digits-50-psnr'),
    'Faces get nearly as sharp as real ones for a decibel (drawn faces, small avatars).': (
        'avatars-best-sharp',
        'avatars-best-psnr',
    ),
    'A discriminator draws lines, not noise (digits, drawn faces).': (
        'digits-50-noise-ssim',
        'avatars-best-noise-ssim',
    ),
}
MEASURES = ('PSNR ↑', 'SSIM ↑', 'sharpness → 1', 'SWD ↓')
PART = re.compile(r'(<!-- (\w+) -->\n).*?(<!-- end -->)', re.DOTALL)


def write():
    """Write the ladder and the README's generated parts; the paths written."""
    picture = paths.RESULTS / 'ladder.png'
    ladder(picture)
    files.write_whole(README, filled(README.read_text()).encode())
    return README, picture


def filled(text):
    """The README's text with its generated parts as the results are now."""
    parts = {'ladder': caption, 'findings': findings, 'readers': readers, 'results': results}
    return PART.sub(lambda m: f'{m[1]}{parts[m[2]]()}\n{m[3]}', text)


# The ladder


def ladder(path):
    """Write the picture: held out, plain, with a discriminator, and plain with as sharp noise."""
    blocks = [versions(*pair(name), num) for name, (_, num) in SHOWN.items()]
    rows = [onp.concatenate(row) for row in zip(*blocks)]
    plots.pictures(rows, [row.replace(', ', ',\n') for row in ROWS], path)


def pair(name):
    """The run with a discriminator, and the plain run that it was measured against."""
    run = catalogue.find(SHOWN[name][0])
    return run, catalogue.find(run.summary['control'])


def versions(run, plain, num):
    """The rows of a pair, each (num, 3, SIDE, SIDE) in [0, 1]."""
    stored = (show.reconstructions(entry.folder)[:, :num] for entry in (run, plain))
    (real, shown), (_, blurred) = stored
    noisy = metrics.noise_control(blurred, metrics.sharpness(shown))
    return [to_side(row) for row in (real, blurred, shown, noisy)]


def to_side(pictures):
    """Pictures in a black frame up to a whole fraction of SIDE, enlarged without smoothing."""
    times = SIDE // pictures.shape[-1]
    frame = (SIDE // times - pictures.shape[-1]) // 2
    framed = onp.pad(pictures, [(0, 0), (0, 0), (frame, frame), (frame, frame)])
    return framed.repeat(times, axis=2).repeat(times, axis=3)


def caption():
    """The ladder as an image, and what it shows."""
    alt = f'Held-out {" and ".join(SHOWN)} above three versions of each: {"; ".join(ROWS[1:])}.'
    plain = ' and '.join(dict.fromkeys(recipe_of(*pair(name)) for name in SHOWN))
    return (
        f"![{alt}](results/ladder.png)\n\nThe first held-out pictures and each VAE's copies. *D* "
        f'is the discriminator, the plain VAE has {plain}, and white noise makes its copies as '
        'sharp as those with D.'
    )


def recipe_of(run, plain):
    """What a plain run is, beside its run with a discriminator."""
    same = plain.experiment.changed(run='', animated=False) == run.experiment.matched_plain()
    return 'the same recipe without D' if same else f'another recipe ({plain.note})'


# Numbers


def findings():
    """A numbered list: each finding with its claims, their intervals and verdicts."""
    lines = [
        f'{i}. **{heading}** {" ".join(map(told, ids))}'
        for i, (heading, ids) in enumerate(FINDINGS.items(), 1)
    ]
    return '\n'.join(lines)


def told(name):
    """A claim, what it measures, and its verdict."""
    row = claims.table([name]).loc[name]
    numbers = f'{measure(claims.claims()[name])} {row["difference"].partition(" (")[0]}'
    if row['seeds'] == '0':
        numbers = 'not run yet'
    elif row['seeds'] == '1':
        numbers += ', one run'
    else:
        interval = '' if claims.claims()[name].ranked_by else '95 % interval '
        numbers += f', {interval}{row["interval"]}, {row["seeds"]} seeds: {row["verdict"]}'
    return f'{row["claim"]} *{numbers[0].upper()}{numbers[1:]}.*'


def measure(claim):
    """What a claim measures, in words."""
    heads = {name: head for head, (name, _) in tables.COLUMNS['Digits'].items()}
    head = heads[claim.metrics[0]].rstrip(' ↑↓→1')
    return f'rank correlation with {head}' if claim.ranked_by else head


def readers():
    """What blind readers said of the drawn faces that the ladder shows."""
    answers = pd.read_csv(paths.RESULTS / 'blind_test.csv')
    shown = {'pictures': 'avatars, 32 pixels', 'kl_weight': 1.0, 'weight': 200}
    asked = answers[(answers[list(shown)] == pd.Series(shown)).all(axis=1)]
    others = asked[asked['reader'] > 0]  # the first one also helped to choose the recipe
    counts = [(of[q] == 'D').sum() for of in (asked, others) for q in ('drawn', 'nearest')]
    return (
        f'In {counts[0]} of {len(asked)} answers {asked["reader"].nunique()} blind readers took '
        f'the small faces with D for the drawn ones, in {counts[1]} for the nearest to the '
        'original. (Without the one who also helped to choose the recipe: '
        f'{counts[2]} and {counts[3]} of {len(others)}.)'
    )


def results():
    """A table of three rows for each pair: plain, with D, and plain with as sharp noise."""
    rows = []
    for name in SHOWN:
        run, plain = (entry.summary for entry in pair(name))
        for words, summary in (('plain VAE', plain), ('with D', run)):
            title = f'{name}, {words} ({tables.seeds_of(summary)})'
            rows.append([title, *(number(summary, head) for head in MEASURES)])
        rows.append([f'{name}, {ROWS[3]}', *(number(run, head, 'control_') for head in MEASURES)])
    return tables.markdown_table(['held-out pictures', *MEASURES], rows)


def number(summary, head, prefix=''):
    """A measure of a run, or of its noise control, which is as sharp as the run."""
    name, form = tables.PICTURES[head]
    if prefix and name != 'sharpness_ratio':
        name = prefix + name.removesuffix('_reconstructions')
    return tables.number(summary['metrics'], name, form)
