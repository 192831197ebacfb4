"""The generated pages of `results/`: the gallery with the study's rows, and the claims."""

import json

from d2lvae.base import files, paths
from d2lvae.data import DATASETS
from d2lvae.runs import catalogue, claims

REAL_SHARPNESS = {'Digits': 0.177, 'Faces': 0.148}  # of the study's ten real pictures of each
PICTURES = {
    'train loss ↓': ('train_loss', '.2f'),
    'held-out loss ↓': ('held_out_loss', '.2f'),
    'PSNR ↑': ('psnr', '.2f'),
    'SSIM ↑': ('ssim', '.3f'),
    'sharpness → 1': ('sharpness_ratio', '.2f'),
    'SWD ↓': ('swd_reconstructions', '.4f'),
    'spectrum ↓': ('spectrum_distance', '.2f'),
}
COLUMNS = {  # heading with the better direction: metric and number format
    'Digits': {
        **PICTURES,
        'log-lik. ↑': ('log_likelihood', '.1f'),
        'digits ↑': ('digit_accuracy', '.3f'),
        'Fréchet ↓': ('frechet_reconstructions', '.2f'),
    },
    'Faces': {
        **PICTURES,
        'SWD of samples ↓': ('swd_samples', '.4f'),
        'checkerboard → 1': ('checkerboard_ratio', '.2f'),
        'kernel ↓': ('kernel_reconstructions', '.3f'),
        'template ↓': ('template_share', '.3f'),
    },
}
NOISE = {  # of equally sharp noise, by the heading that it is held against
    'SSIM ↑': ('control_ssim', '.3f'),
    'SWD ↓': ('control_swd', '.4f'),
    'spectrum ↓': ('control_spectrum_distance', '.2f'),
}
MORE = ('train_loss', 'held_out_loss', 'log_likelihood', 'swd_samples')  # folded away
STUDY = {  # heading: the study's column in study.csv, and our metric and its format
    'loss ↓': ('seed_final_vae_loss', 'train_loss', '.1f'),
    'PSNR ↑': ('seed_psnr_db', 'psnr', '.2f'),
    'SSIM ↑': ('seed_ssim', 'ssim', '.3f'),
    'sharpness → 1': ('seed_laplacian_variance', 'sharpness_ratio', '.2f'),
}
HEAD = """# Results

Written by `python -m d2lvae tables` from the folders beside this page; what is claimed of them
stands in [claims.md](claims.md).

Digits: 60,000 for training and 10,000 held out. Anime faces, 64x64: 6,400 and 1,600, and 3,200
and 800 where the ResNet's weights and timing are varied. Drawn avatars, 64x64: 6,400 and 1,600;
those called small have 32x32.
All numbers but the training loss are of held-out pictures, reconstructed from the posterior's
mean: one value for one seed, least and greatest of two, mean and 95 % interval of three or more.
An arrow says which way is better.

- *loss*: KL + PBP with weights 1 and one sampled z, in nats for BCE.
- *PSNR* in dB, *SSIM*; *sharpness*: variance of the Laplacian over that of the real pictures.
- *noise*: the plain reconstructions with white noise, as sharp as the run, which must beat it.
- *SWD*: sliced Wasserstein distance of patches. *Fréchet*, *kernel*: distances on the features of
  a small frozen net, not comparable with FID.
- *spectrum*: difference of log powers over all frequencies; *checkerboard*: power at the
  frequencies of the decoder's stride over that of real faces; *template*: share of the error's
  Laplacian that is the same in all faces, to be compared within one data set only.
- *log-lik.*: importance-weighted log-likelihood of binarised digits, 500 samples; *digits*: the
  accuracy of a frozen classifier on the reconstructions.
- *minutes a seed*: as it ran, mostly beside other work, so not for comparing runs; chapter 05
  compares clocks.
"""
STUDY_HEAD = """## The study, row by row

The study's numbers are its own: the last logged training loss, where the PBP loss counts with its
weight and a discriminator's term is mixed in, so that it can't be compared with ours where those
differ; and what its ten published pictures measure. Our face runs have a tenth of its epochs.
"""


def number(metrics, name, form):
    """A metric as text: one value, least and greatest of two, mean and interval of more; or –."""
    if name not in metrics:
        return '–'
    values, metric = metrics[name]['values'], metrics[name]
    if len(values) < 2:
        return f'{metric["mean"]:{form}}'
    if len(values) == 2:
        return f'{min(values):{form}} to {max(values):{form}}'
    return f'{metric["mean"]:{form}} ± {metric["ci95"]:{form}}'


def rows_of(summaries, columns):
    """A row for each named summary: its name, the number of its seeds, and metrics as `COLUMNS`."""
    return [
        [name, len(s['seeds']), *(number(s['metrics'], *column) for column in columns.values())]
        for name, s in summaries.items()
    ]


def markdown_table(heads, rows):
    lines = [heads, ['---'] * len(heads), *rows]
    cells = [[str(cell).replace('|', r'\|') for cell in line] for line in lines]
    return '\n'.join(f'| {" | ".join(line)} |' for line in cells)


def kind_of(folder):
    """'Digits' or 'Faces', by the name of a results folder."""
    data = folder.partition('/')[0].rpartition('_on_')[2]
    kinds = {cls.folder_name or name: cls.kind for name, cls in DATASETS.items()}
    return kinds.get(data, 'faces').capitalize()


# The gallery


def gallery():
    """`results/README.md`: finished runs with pictures by chapter, and the study's rows."""
    chapters = sorted({c for entry in catalogue.entries().values() for c in entry.chapters})
    parts = [HEAD, *map(chapter_part, chapters), STUDY_HEAD, study_table()]
    return '\n'.join(part.rstrip('\n') + '\n' for part in parts)


def chapter_part(chapter):
    """A chapter's finished runs, those on the same data in one table, and what is still to run."""
    [notebook] = (paths.ROOT / 'notebooks').glob(f'{chapter}_*.ipynb')
    title = json.loads(notebook.read_text())['cells'][0]['source'][0].strip('# \n')
    parts = [f'## Chapter {chapter}: [{title}](../notebooks/{notebook.name})\n']
    shown = [e for e in catalogue.entries().values() if chapter in e.chapters]
    for data in dict.fromkeys(data_of(e) for e in shown):
        rows = [gallery_row(e) for e in shown if data_of(e) == data and e.summary]
        if rows:
            heads = ['run: held-out pictures above their reconstructions', 'numbers']
            parts.append(f'### {data}\n\n{markdown_table(heads, rows)}\n')
    waiting = [f'{e.label} (`{e.folder.split("/")[1]}`)' for e in shown if not e.summary]
    if waiting:
        parts.append(f'<details><summary>To run: {len(waiting)}</summary>\n')
        parts += [*(f'- {name}' for name in waiting), '\n</details>\n']
    return '\n'.join(parts)


def data_of(entry):
    """The heading of a data set."""
    name = entry.experiment.dataset
    return {'mnist': 'Digits', 'anime': 'Anime faces', 'avatars': 'Drawn avatars'}[name]


def gallery_row(entry):
    summary, folder = entry.summary, entry.folder
    metrics, beside, more = summary['metrics'], [], []
    for head, (name, form) in COLUMNS[kind_of(folder)].items():
        if name in metrics:
            text = f'{head}: {number(metrics, name, form)}{of_noise(metrics, head)}'
            (more if name in MORE else beside).append(text)
    minutes = summary['seconds_total'] / len(summary['seeds']) / 60
    more += [f'{minutes:.0f} minutes a seed', f'[folder]({folder})']
    said = f'**{entry.label}** ({entry.note}; {seeds_of(summary)})<br>'
    animations = [path.name for path in entry.experiment.published.glob('epochs.*')]
    names = ['samples.png', 'curves.png', *animations]
    folded = details('samples and loss curves', [image(entry, name) for name in names])
    pictures = image(entry, 'reconstructions.png') + folded
    return [said + pictures, '<br>'.join(beside) + details('more', more)]


def of_noise(metrics, head):
    """What equally sharp noise has, in brackets, if it was measured."""
    name, form = NOISE.get(head, ('', ''))
    return f' (noise {number(metrics, name, form)})' if name in metrics else ''


def seeds_of(summary):
    """The number of seeds, in words."""
    seeds = len(summary['seeds'])
    return 'one run' if seeds == 1 else f'{seeds} seeds'


ALTERNATIVES = {
    'reconstructions': 'ten held-out pictures above their reconstructions',
    'samples': 'samples of the prior',
    'curves': 'loss terms against the epoch',
    'epochs': 'ten held-out pictures after every epoch',
}


def image(entry, name):
    """A stored picture as HTML, with a text alternative."""
    said = ALTERNATIVES[name.partition('.')[0]]
    return f'<img src="{entry.folder}/{name}" alt="{entry.label}: {said}">'


def details(summary, lines):
    return f'<details><summary>{summary}</summary>{"<br>".join(lines)}</details>'


# The study


def study_table():
    """Each of the study's rows with its figures, and ours beside each."""
    rows = []
    for entry in catalogue.entries().values():
        if entry.of_study:
            study = catalogue.study()
            row = next(study[study['folder'] == entry.study_row].itertuples())
            cells = [', '.join(entry.chapters), f'{entry.label}<br>`{entry.study_row}`']
            for column, *metric in STUDY.values():
                cells += [study_figure(row, column), our_figure(entry, metric)]
            rows.append(cells)
    heads = [f'{head} {whose}' for head in STUDY for whose in ('study', 'ours')]
    return markdown_table(['ch.', 'row', *heads], rows)


def study_figure(row, column):
    """What the study says of a row, sharpness as a share of that of its ten real pictures."""
    figure = getattr(row, column)
    if column == 'seed_laplacian_variance':
        return f'{figure / REAL_SHARPNESS[kind_of(row.folder)]:.2f}'
    return '–' if figure != figure else str(figure)


def our_figure(entry, metric):
    return number(entry.summary['metrics'], *metric) if entry.summary else 'to run'


def write_tables():
    """Write the gallery and the claims; the paths written."""
    pages = {'README.md': gallery(), 'claims.md': claims.page()}
    for name, text in pages.items():
        files.write_whole(paths.RESULTS / name, text.encode())
    return tuple(paths.RESULTS / name for name in pages)
