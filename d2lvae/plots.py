"""Every figure of the course: PNG, readable in print and by the colour-blind, with words for it.

Each function shows its figure, or writes it to `path` if there is one, and returns nothing, so
that a cell that ends with it has the figure as its only output. `alt` is what is to be seen, for
those who can't; without it a function says what it draws.
"""

import io

import matplotlib.pyplot as plt
import numpy as onp
import PIL.Image
from matplotlib import colormaps, font_manager
from matplotlib.ticker import MaxNLocator
from PIL import ImageDraw, ImageFont

from d2lvae.base.drawing import (
    BLACK,
    COLOURS,
    GAP,
    LABEL,
    LINES,
    OURS,
    PIXELS,
    axes_of,
    deliver,
    direction,
    draw_points,
    enlarged,
    finish,
    legend,
    listed,
    name_ends,
    name_level,
    name_points,
    pixel_size,
    point,
    spread,
    styles,
)

GRADIENTS = 'gradients at the logits'  # a panel of `curves`

# Pictures


def pictures(rows, labels=None, path=None, alt=None, largest=PIXELS[1]):
    """Rows of pictures, each (N, C, H, W) in [0, 1], with a label to the left of each row.

    Every pixel becomes a square of a whole number of pixels, so that nothing is smoothed; a
    picture's side is at most `largest` pixels.
    """
    labels = labels or [''] * len(rows)
    png = io.BytesIO()
    canvas(rows, labels, largest).save(png, 'PNG', optimize=True)
    named = ': ' + '; '.join(labels).replace('\n', ', ') if any(labels) else ''
    kind = f'{len(rows)} rows' if len(rows) > 1 else 'A row'
    alt = alt or f'{kind} of up to {max(map(len, rows))} pictures{named}.'
    deliver(png.getvalue(), alt, path)


def canvas(rows, labels, largest):
    """The image of `pictures`, one of Pillow's."""
    columns = max(map(len, rows))
    sides = onp.array(rows[0].shape[:1:-1]) * pixel_size(rows[0].shape[3], columns, largest)
    font = ImageFont.truetype(font_manager.findfont('DejaVu Sans'), LABEL)
    draw = ImageDraw.Draw(PIL.Image.new('RGB', (1, 1)))
    margin = max(onp.ceil(draw.multiline_textbbox((0, 0), t, font)[2]) for t in labels) + 3 * GAP
    margin = int(margin) if any(labels) else 0
    step = sides + GAP
    size = (columns, len(rows)) * step - GAP + (margin, 0)
    drawn = PIL.Image.new('RGB', tuple(size), 'white')
    draw = ImageDraw.Draw(drawn)
    for i, (row, label) in enumerate(zip(rows, labels)):
        middle = margin - 2 * GAP, i * step[1] + sides[1] / 2
        draw.multiline_text(middle, label, BLACK, font, 'rm', align='right')
        for j, picture in enumerate(row):
            drawn.paste(enlarged(picture, sides), tuple((j, i) * step + (margin, 0)))
    return drawn


def tiles(image, side, columns=10):
    """The pictures of `side` pixels in a figure of `pictures` without labels, one of Pillow's.

    (rows, columns, 3, side, side) in [0, 1].
    """
    tile, left, top = side * pixel_size(side, columns), 0, 0
    step = tile + GAP
    if image.width != columns * step - GAP:  # an early one, which matplotlib stretched and smoothed
        tile, left, top = (image.width - 8) / (1.06 * columns - 0.06), 5, 0.03 * image.height
        step = 1.06 * tile

    def cut(row, column):
        x, y = left + column * step, top + row * step
        box = x, y, x + tile, y + tile
        values = image.convert('RGB').resize((side, side), PIL.Image.Resampling.NEAREST, box)
        return onp.asarray(values).transpose(2, 0, 1) / onp.float32(255)

    rows = range(round(image.height / step))
    return onp.stack([[cut(row, column) for column in range(columns)] for row in rows])


def ladder(rows, path=None, alt=None):
    """The same few pictures in several versions, one below the other, each with its numbers.

    `rows` maps a name to the pictures (N, C, H, W), their PSNR in dB, None for the real ones, and
    their sharpness as a share of the real.
    """
    labels = [
        f'{name}\n' + ('' if psnr is None else f'{psnr:.1f} dB, ') + f'sharpness {sharp:.2f}'
        for name, (_, psnr, sharp) in rows.items()
    ]
    pictures([shown for shown, *_ in rows.values()], labels, path, alt)


def gradients(rows, shown, labels, path=None, alt=None):
    """Rows of signed pictures (N, 1, H, W) below the pictures that they belong to.

    Red is positive, blue negative; each row has its own scale. `labels` begins with the pictures'.
    """
    coloured = [onp.repeat(shown, 3, axis=1) if shown.shape[1] == 1 else shown]
    for row in rows:
        limit = onp.quantile(onp.abs(row), 0.995)
        coloured.append(colormaps['RdBu_r'](0.5 + row[:, 0] / limit / 2)[..., :3])
        coloured[-1] = coloured[-1].transpose(0, 3, 1, 2)
    pictures(coloured, labels, path, alt)


# Lines


@OURS
def curves(statistics, path=None, alt=None):
    """Every loss term of a run against the epoch, a table with the columns of the statistics."""
    panels = {
        'KL': {'kl': ''},
        'pixel-by-pixel loss': {'pbp': ''},
        'Dis_l': {'dis_l': ''},
        'loss of the frozen net': {'frozen': ''},
        'adversarial losses': {
            'adversarial': "the VAE's",
            'disc_real': "D's on real pictures",
            'disc_fake': "D's on fakes",
        },
        GRADIENTS: {
            'grad_norm_pbp': 'of the PBP loss',
            'grad_norm_adversarial': 'of the adversarial loss',
            'grad_norm_frozen': "of the frozen net's",
        },
        'accuracy of D': {'disc_accuracy': ''},
    }
    means = statistics.groupby('epoch').mean(numeric_only=True).dropna(axis=1, how='all')
    panels = {t: {n: w for n, w in names.items() if n in means} for t, names in panels.items()}
    panels = {title: names for title, names in panels.items() if names}
    figure, axes = axes_of(panels)
    for axis, (title, names) in zip(axes, panels.items()):
        for (name, words), colour, line in zip(names.items(), COLOURS, LINES):
            axis.plot(means.index + 1, means[name], line, color=colour, label=words)
        axis.set(title=title, xlabel='epoch')
        if title == GRADIENTS:  # of very different lengths
            axis.set_yscale('log')
            axis.yaxis.set_major_formatter('{x:g}')
        if len(names) > 1:
            axis.legend(frameon=False, fontsize=9)
    finish(figure, alt or f'Curves against the epoch: {"; ".join(panels)}.', path)


@OURS
def lines(xlabel, ylabel, series, x=None, bold=(), log=False, level=None, path=None, alt=None):
    """Lines that are named at their right end.

    `series` maps a name to its lines, all of one colour, each a sequence over `x`, which may give
    each name its own, or over 1, 2, ... without it. Those named in `bold` are thick, and `level`
    is (name, value) of a dotted line.
    """
    figure, axis = plt.subplots(figsize=(8, 4.2), layout='constrained')
    ends = {}
    for (name, values), colour in zip(series.items(), COLOURS * len(series)):
        for value, line in zip(values, LINES * len(values)):
            at = x[name] if isinstance(x, dict) else x
            at = onp.arange(1, len(value) + 1) if at is None else at
            axis.plot(at, value, line, color=colour, linewidth=3 if name in bold else 1.3)
        ends[name] = at[-1], onp.mean([value[-1] for value in values]), colour
    if level:
        axis.axhline(level[1], color=BLACK, linestyle=':')
        ends[level[0]] = at[-1], level[1], BLACK
    if log:
        axis.set_yscale('log')
        axis.yaxis.set_major_formatter('{x:g}')
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.spines[['top', 'right']].set_visible(False)
    name_ends(axis, ends)
    finish(figure, alt or f'{ylabel} against {xlabel}: {"; ".join(series)}.', path)


def push_by_epoch(runs, bold=(), path=None, alt=None):
    """The push, weighted gradient over weighted gradient, by epoch: a line for each seed.

    `runs` maps names to tables with the columns `seed` and `push`, as `show.push` gives them.
    """
    series = {
        name: [rows['push'].values for _, rows in table.groupby('seed')]
        for name, table in runs.items()
    }
    ylabel = "push: D's gradient / the pixels'"
    level = 'as strong as the pixels', 1
    lines('epoch', ylabel, series, bold=bold, log=True, level=level, path=path, alt=alt)


# Points


@OURS
def trade_off(panels, control=None, recipes=None, front=False, path=None, alt=None):
    """Planes of fidelity and sharpness.

    `panels` maps a measure of fidelity, with ↓ in its name if less is better, to points, label to
    (fidelity, sharpness as a share of the real). Both are numbers or, over several seeds, metrics
    of `summary.json` (see `point`). `control` maps the same names to the noise control's curve, two
    sequences of the same meaning. `recipes` and `front` as in `draw_points`.
    """
    figure, axes = axes_of(panels, size=(4.4, 4), sharey=True)
    for axis, (measure, points) in zip(axes, panels.items()):
        if control is not None:
            axis.plot(*control[measure], '--', color=BLACK, label='plain VAE + white noise')
        axis.axhline(1, color=BLACK, linewidth=0.8, linestyle=':')
        draw_points(axis, points, recipes, front and (direction(measure), 1))
        better = '← more faithful' if direction(measure) < 0 else 'more faithful →'
        axis.set(xlabel=f'{measure.rstrip(" ↑↓")}  ({better})')
        axis.margins(x=0.3, y=0.15)
    axes[0].set_ylabel('sharpness, real = 1  (sharper →)')
    name_points(figure, axes, panels)
    finish(figure, alt or f'Sharpness against {" and ".join(panels)}: {listed(panels)}.', path)


@OURS
def against(xlabel, panels, log=False, recipes=None, front=False, named=None, path=None, alt=None):
    """Panels side by side: what changes with one number.

    `panels` maps a title to points, label to (x, y), each a number or a metric as in `point`; `log`
    makes the x-axis logarithmic. `recipes` and `front` as in `draw_points`, where ↓ in a title or
    in `xlabel` says that less is better. `named` are the labels that are written, all without it.
    """
    figure, axes = axes_of(panels, size=(3.8, 3.4) if len(panels) > 1 else (7, 4.2))
    for axis, (title, points) in zip(axes, panels.items()):
        draw_points(axis, points, recipes, front and (direction(xlabel), direction(title)))
        if log:
            axis.set_xscale('log')
            axis.xaxis.set_major_formatter('{x:g}')
        axis.set(title=title, xlabel=xlabel)
        axis.margins(x=0.4, y=0.15)  # for the labels to the right of the points
    name_points(figure, axes, panels, named)
    finish(figure, alt or f'{"; ".join(panels)} against {xlabel}: {listed(panels)}.', path)


@OURS
def dose_response(xlabel, panels, levels=None, path=None, alt=None):
    """What changes with a weight: seeds as dots, their means with bars, joined by a line.

    `panels` maps a title to recipes, a name to points [(weight, metric)] as in `point`; the axis is
    logarithmic, and 0 has a place on it. `levels` maps a title to (name, y) of a dotted line.
    """
    figure, axes = axes_of(panels, size=(4, 3.4))
    for axis, (title, recipes) in zip(axes, panels.items()):
        weights = sorted({x for points in recipes.values() for x, _ in points} - {0})
        axis.set_xscale('symlog', linthresh=weights[0], linscale=0.5)
        axis.set_xticks([0, *weights], ['0', *(f'{w:g}' for w in weights)])
        axis.tick_params('x', labelsize=9)  # or the highest weights would touch
        axis.minorticks_off()
        for (name, points), style in zip(recipes.items(), styles(recipes)):
            means = [(x, spread(y)[0]) for x, y in points]
            label = name if len(recipes) > 1 else None
            axis.plot(*zip(*means), color=style[0], linewidth=1, label=label, marker=style[1])
            for x, y in points:
                point(axis, x, y, style)
        if title in (levels or {}):
            name_level(axis, *levels[title])
        axis.set(title=title, xlabel=xlabel)
    legend(figure, axes)
    finish(figure, alt or f'{"; ".join(panels)} against {xlabel}: {listed(panels)}.', path)


# Maps


@OURS
def latent_map(points, labels, path=None, alt=None):
    """A 2-D map (N, 2) of digits with labels (N,), once for each: its points black, others grey."""
    digits = onp.unique(labels)
    figure, axes = plt.subplots(
        2, -(-len(digits) // 2), figsize=(9, 4), sharex=True, sharey=True, layout='constrained'
    )
    for axis in axes.flat:
        axis.axis('off')
    for digit, axis in zip(digits, axes.flat):
        axis.plot(*points.T, '.', color='0.85', markersize=1.5)
        axis.plot(*points[labels == digit].T, '.', color=BLACK, markersize=1.5)
        axis.set_title(digit, fontsize=15)
    finish(figure, alt or f'The same map for each of {", ".join(map(str, digits))}.', path)
