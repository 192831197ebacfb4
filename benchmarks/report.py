"""The tables of `run.py` as Markdown, for people: `python report.py` shows them again."""

import json
from pathlib import Path

from cases import STUDIED

from d2lvae.runs.tables import markdown_table

FOLDER = Path(__file__).parent  # of the tables
NAMES = {'eager': 'eager', 'channels_last': 'channels-last', 'compile': 'torch.compile'}
HEADS = ('training', 'ours', 'PyTorch', 'its best', 'ours / PyTorch', 'of the peak', 'memory, MB')
GROWTH_HEADS = ('batch', 'side', 'base', 'images/s', 's a step', 'of the peak', 'memory, MB')


def markdown(table, more):
    """Everything, with a sentence of where and how above each table."""
    return '\n\n'.join(
        [
            where(more),
            markdown_table(HEADS, map(line, table)),
            f'How {STUDIED} grows, one size at a time:',
            markdown_table(GROWTH_HEADS, map(growth_line, more['growth'])),
            study_sentence(more['study_step']),
            bfloat16_sentence(more['bfloat16']),
        ]
    )


def line(row):
    memory = row['memory_mb']
    return [
        row['name'],
        rate(row['ours_per_s']),
        rate(row['torch_per_s']),
        NAMES[row['torch_best']],
        ratio(row),
        f'{row["peak_fraction"]:.0%}',
        f'{memory["ours"]:.0f} / {memory["torch"]:.0f}',
    ]


def growth_line(row):
    return [
        row['batch_size'],
        row['image_size'],
        row['base_channels'],
        rate(row['ours_per_s']),
        f'{row["seconds_per_step"]:.3f}',
        f'{row["peak_fraction"]:.0%}',
        f'{row["memory_mb"]:.0f}',
    ]


def rate(per_s):
    """Three digits, and all those before the point."""
    return f'{per_s:,.0f}' if per_s >= 100 else f'{per_s:.3g}'


def ratio(row):
    """Median, and from the least to the most."""
    return f'{row["ratio_median"]:.2f} ({row["ratio_min"]:.2f}–{row["ratio_max"]:.2f})'


def where(more):
    here, peak = more['circumstances'], more['peak']
    versions, theirs = here['versions'], peak['products']['PyTorch']
    return (
        f'Images/s of training steps at batch 64, float32, on {here["machine"]}, threads: '
        f'{here["threads"]}. MXNet {versions["mxnet"]} against PyTorch {versions["torch"]}. '
        f'The peak is {peak["multiply_adds_per_s"] / 1e9:.0f} billion multiply-adds/s, the best '
        f"product of two 4096x4096 matrices in MXNet; PyTorch's best was {theirs / 1e9:.0f}."
    )


def study_sentence(step):
    return (
        f"The study's combo step (three passes through the VAE, no detach, two waits a step) on "
        f'{step["name"]}: {rate(step["study_per_s"])} images/s, and ours '
        f'{rate(step["ours_per_s"])}; ours is {ratio(step)} times as fast.'
    )


def bfloat16_sentence(row):
    best = row['torch_best'].removesuffix('+bfloat16')
    return (
        f'{row["name"]} in PyTorch with bfloat16 autocast ({NAMES[best]}): '
        f'{rate(row["torch_per_s"])} images/s; ours in float32 over it {ratio(row)}.'
    )


if __name__ == '__main__':
    print(
        markdown(*(json.loads((FOLDER / f'{name}.json').read_text()) for name in ('table', 'more')))
    )
