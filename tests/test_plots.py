"""Figures: pictures pixel by pixel, and what is drawn of a metric over several seeds."""

import matplotlib.pyplot as plt
import numpy as onp
import pandas as pd
import pytest
from PIL import Image

from d2lvae import plots
from d2lvae.base import drawing, paths
from d2lvae.metrics import mean_ci95, sharpness_ratio


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are finished, still open."""
    figures = []
    monkeypatch.setattr(plots, 'finish', lambda figure, alt, path=None: figures.append(figure))
    yield figures
    plt.close('all')


def bars(axis):
    return [bar for container in axis.containers for bar in container[2]]


def test_a_metric_of_three_seeds_is_a_mean_with_bars_and_a_dot_for_each_seed(drawn):
    x, y = mean_ci95([1.0, 2.0, 3.0]), mean_ci95([5.0, 5.5, 6.0])
    plots.trade_off({'PSNR': {'a': (x, y)}})
    [axis] = drawn[0].axes
    assert len(bars(axis)) == 2
    [dots] = [line for line in axis.lines if line.get_marker() == '.']
    assert dots.get_xydata().tolist() == [[1.0, 5.0], [2.0, 5.5], [3.0, 6.0]]
    [low, high] = bars(axis)[0].get_segments()[0][:, 0]
    assert (low, high) == pytest.approx((2 - x['ci95'], 2 + x['ci95']))


def test_two_seeds_have_dots_and_no_bars_and_a_number_has_neither(drawn):
    plots.trade_off({'PSNR': {'two': (mean_ci95([1.0, 2.0]), mean_ci95([5.0, 6.0]))}})
    plots.trade_off({'PSNR': {'number': (1.0, 5.0)}})
    assert [bars(figure.axes[0]) for figure in drawn] == [[], []]
    dots = [[line.get_marker() for line in figure.axes[0].lines].count('.') for figure in drawn]
    assert dots == [1, 0]


def test_seeds_of_one_coordinate_are_dots_at_the_number_that_is_the_other(drawn):
    plots.against('push', {'PSNR': {'a': (0.1, mean_ci95([5.0, 6.0]))}})
    [dots] = [line for line in drawn[0].axes[0].lines if line.get_marker() == '.']
    assert dots.get_xydata().tolist() == [[0.1, 5.0], [0.1, 6.0]]


@pytest.mark.parametrize('log', [False, True])
def test_points_too_close_for_two_labels_share_one(drawn, log):
    points = {'a': (1.0, 5.0), 'b': (1.01, mean_ci95([5.0, 5.02])), 'c': (9.0, 5.0), 'd': (1.0, 9)}
    plots.against('push', {'PSNR': points}, log=log)
    texts = {text.get_text(): text.xy for text in drawn[0].axes[0].texts}
    assert texts == {'a, b': (1.0, 5.0), 'c': (9.0, 5.0), 'd': (1.0, 9)}


def test_long_labels_of_neighbours_lie_on_no_other_label_or_point(drawn):
    points = {'10 + 10': (12.6, 15.2), '5 + 15': (16.2, 15.2), '0 + 20': (19.7, 15.1), 'x': (0, 18)}
    plots.against('minutes', {'PSNR': points, 'SWD': {'a': (0, 1)}})
    axis = drawn[0].axes[0]
    boxes = [text.get_window_extent() for text in axis.texts]
    dots = axis.transData.transform(list(points.values()))
    assert [text.get_text() for text in axis.texts] == list(points)
    assert [box.count_overlaps(boxes) for box in boxes] == [1] * 4  # with itself
    assert not any(box.contains(*dot) for box in boxes for dot in dots)


def test_a_long_label_at_the_right_edge_lies_to_the_left_of_its_point(drawn):
    points = {'w = 10': (0.5, 16.0), 'w = 1000, for twice as long': (15.0, 14.0)}
    plots.against('push', {'PSNR': points})
    axis = drawn[0].axes[0]
    assert [text.get_ha() for text in axis.texts] == ['left', 'right']
    assert all(text.get_window_extent().x1 < axis.bbox.x1 for text in axis.texts)


def test_a_panel_for_each_title_against_one_number(drawn):
    plots.against('push', {'PSNR': {'a': (0.1, 20.0)}, 'KL': {'a': (0.1, 30.0)}}, log=True)
    assert [axis.get_title() for axis in drawn[0].axes] == ['PSNR', 'KL']
    assert {axis.get_xscale() for axis in drawn[0].axes} == {'log'}
    assert {axis.get_xlabel() for axis in drawn[0].axes} == {'push'}


def test_only_the_named_points_have_labels_and_all_are_drawn(drawn):
    points = {'a': (0.1, 5.0), 'b': (1.0, 6.0), 'c': (9.0, 7.0)}
    plots.against('push', {'PSNR': points}, recipes={'all': [*points]}, named=['b'])
    axis = drawn[0].axes[0]
    assert [text.get_text() for text in axis.texts] == ['b']
    assert (0.1, 5.0) in {tuple(xy) for line in axis.lines for xy in line.get_xydata()}


def random_pictures(*shape):
    return onp.random.default_rng(0).integers(0, 256, shape).astype('float32') / 255


@pytest.mark.parametrize(
    'side, columns, tile', [(28, 10, 84), (28, 8, 112), (32, 7, 128), (64, 8, 128)]
)
def test_every_pixel_is_a_square_of_whole_pixels(tmp_path, side, columns, tile):
    X = random_pictures(columns, 1, side, side)
    plots.pictures([X], path=tmp_path / 'row.png')
    with Image.open(tmp_path / 'row.png') as image:
        assert image.size == (columns * (tile + 6) - 6, tile)
        first = onp.asarray(image)[:, :tile, 0]
    assert (first == onp.kron(onp.rint(255 * X[0, 0]), onp.ones((tile // side,) * 2))).all()


def test_few_pictures_can_be_larger_and_stay_within_the_row(tmp_path):
    X = random_pictures(4, 3, 32, 32)
    plots.pictures([X], path=tmp_path / 'row.png', largest=256)
    with Image.open(tmp_path / 'row.png') as image:
        assert image.size == (4 * (7 * 32 + 6) - 6, 7 * 32)


@pytest.mark.parametrize('channels', [1, 3])
def test_pictures_of_a_figure_are_found_again_pixel_by_pixel(tmp_path, channels):
    X = random_pictures(2, 10, channels, 32, 32)
    plots.pictures(list(X), path=tmp_path / 'rows.png')
    with Image.open(tmp_path / 'rows.png') as image:
        found = plots.tiles(image, 32)
    assert found.shape == (2, 10, 3, 32, 32)
    assert (found == onp.broadcast_to(X, found.shape)).all()


def test_labels_stand_to_the_left_of_the_pictures(tmp_path):
    X = onp.zeros((4, 1, 28, 28))
    plots.pictures([X, X], ['real', 'a label\nof two lines'], path=tmp_path / 'rows.png')
    with Image.open(tmp_path / 'rows.png') as image:
        grey = onp.asarray(image.convert('L'))
    margin = grey.shape[1] - 4 * (112 + 6) + 6
    dark_rows = (grey[:, : margin - 12] < 128).any(axis=1)
    assert dark_rows[:112].any() and dark_rows[118:].any()
    assert (grey[:, margin - 12 : margin] == 255).all() and (grey[:112, margin] == 0).all()


def test_a_gradient_is_red_where_positive_and_blue_where_negative(tmp_path):
    gradient = onp.zeros((1, 1, 28, 28))
    gradient[..., :14], gradient[..., 14:] = 1, -1
    plots.gradients([gradient], onp.ones((1, 1, 28, 28)), ['picture', 'of it'], tmp_path / 'g.png')
    with Image.open(tmp_path / 'g.png') as image:
        (red, _, less), (little, _, blue) = (
            image.getpixel((image.width - x, 200)) for x in (100, 10)
        )
    assert red > 2 * less and blue > 2 * little


def test_a_ladder_says_the_numbers_of_each_row(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, 'pictures', lambda rows, labels, *_: shown.extend(labels))
    X = onp.zeros((2, 1, 28, 28))
    plots.ladder({'real': (X, None, 1), 'weight 20': (X, 18.26, 0.5)})
    assert shown == ['real\nsharpness 1.00', 'weight 20\n18.3 dB, sharpness 0.50']


def test_a_recipe_has_one_colour_and_marker_and_a_line(drawn):
    points = {'plain': (20, 0.1), '1': (19, 0.2), '5': (18, 0.5), 'hinge': (17, 0.3)}
    recipes = {'plain': ['plain'], 'weights': ['1', '5', 'absent'], 'hinge': ['hinge']}
    plots.trade_off({'PSNR in dB ↑': points}, recipes=recipes)
    looks = {
        tuple(line.get_xdata()): (line.get_color(), line.get_marker())
        for line in drawn[0].axes[0].lines
        if line.get_linestyle() != ':'
    }
    assert looks[19,] == looks[18,] == looks[19, 18]
    assert len({looks[20,], looks[19,], looks[17,]}) == 3
    assert looks[20,][0] == drawing.BLACK


@pytest.mark.parametrize(
    'better, front',
    [((1, 1), [(1, 5), (3, 4), (4, 1)]), ((-1, 1), [(0, 1), (1, 5)]), ((1, -1), [(0, 1), (4, 1)])],
)
def test_the_front_is_what_no_other_point_beats_in_both(better, front):
    points = [(3, 4), (1, 5), (2, 3), (4, 1), (0, 1)]
    found = drawing.unbeaten(points, better)
    assert found == (front if better != (1, -1) else [(4, 1)])


def test_a_label_keeps_off_the_dots_of_the_seeds(drawn):
    """To the right of the last point, where its label would stand, lies a seed of a."""
    metric = {'mean': 0.43, 'ci95': None, 'values': [0.357, 0.502]}
    points = {'plain': (5.6, 0.02), 'a': (19.7, metric), '5 + 15': (16.2, 0.347)}
    plots.against('minutes ↓', {'sharpness ↑': points, 'the same ↑': points})
    axis = drawn[0].axes[0]
    boxes = [text.get_window_extent() for text in axis.texts]
    dots = axis.transData.transform([(19.7, value) for value in metric['values']])
    assert not any(box.contains(*dot) for box in boxes for dot in dots)


def test_less_is_better_where_the_name_has_a_falling_arrow(drawn):
    points = {'a': (1, 0.3), 'b': (2, 0.2), 'worse': (3, 0.25)}
    plots.against('minutes ↓', {'SWD ↓': points}, front=True)
    [step] = [line for line in drawn[0].axes[0].lines if line.get_label() == 'Pareto front']
    assert step.get_xydata().tolist() == [[1, 0.3], [2, 0.2]]
    assert step.get_drawstyle() == 'steps-post'  # a's SWD until b's minutes are spent


def test_doses_are_ticks_from_0_and_every_seed_a_dot(drawn):
    points = [(0, mean_ci95([1.0, 1.2, 1.4])), (5, mean_ci95([2.0, 2.2])), (50, mean_ci95([3.0]))]
    plots.dose_response('weight', {'sharpness': {'hinge': points}}, {'sharpness': ('real', 4)})
    axis = drawn[0].axes[0]
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ['0', '5', '50']
    dots = [line.get_xydata().tolist() for line in axis.lines if line.get_marker() == '.']
    assert dots == [[[0, 1], [0, 1.2], [0, 1.4]], [[5, 2], [5, 2.2]]]
    assert len(bars(axis)) == 1
    assert [text.get_text() for text in axis.texts] == ['real']


def test_a_line_for_each_seed_and_names_at_the_ends_on_no_other_name(drawn):
    seeds = pd.DataFrame({'seed': [0, 0, 1, 1], 'push': [0.1, 0.2, 0.3, 0.4]})
    runs = {'weight 1': seeds, 'weight 2\nagain': seeds * 1.01, 'weight 3': seeds * 0.99}
    plots.push_by_epoch(runs, bold=('weight 3',))
    axis = drawn[0].axes[0]
    assert (
        sum(len(line.get_xdata()) == 2 and line.get_color() != drawing.BLACK for line in axis.lines)
        == 6
    )
    texts = axis.texts
    assert {text.get_text() for text in texts} == {*runs, 'as strong as the pixels'}
    boxes = [text.get_window_extent() for text in texts]
    assert [box.count_overlaps(boxes) for box in boxes] == [1] * 4


def test_lines_may_end_at_different_places_and_are_named_at_the_right(drawn):
    series = {'a\nlong': [[1, 2]], 'b': [[3, 4, 2.01]], 'c\nlong': [[1, 2.02]]}
    plots.lines('step', 'sharpness', series, x={'a\nlong': [9, 8], 'b': None, 'c\nlong': [1, 2]})
    axis = drawn[0].axes[0]
    ends = [line.get_xdata().tolist() for line in axis.lines]
    assert ends == [[9, 8], [1, 2, 3], [1, 2]]
    assert {text.xy[0] for text in axis.texts} == {8}
    boxes = [text.get_window_extent() for text in axis.texts]
    assert [box.count_overlaps(boxes) for box in boxes] == [1] * 3


def test_curves_are_named_in_words_and_what_a_run_lacks_is_left_out(drawn):
    rows = {'epoch': [0, 1], 'kl': [1.0, 2.0], 'disc_real': [0.7, 0.6], 'disc_fake': [0.7, 0.5]}
    plots.curves(pd.DataFrame(rows | {'adversarial': [None, None], 'dis_l': [None, None]}))
    assert [axis.get_title() for axis in drawn[0].axes] == ['KL', 'adversarial losses']
    names = [text.get_text() for text in drawn[0].axes[1].get_legend().get_texts()]
    assert names == ["D's on real pictures", "D's on fakes"]


def test_a_map_has_a_panel_for_each_digit_with_its_points_alone_in_black(drawn):
    points = onp.arange(8.0).reshape(4, 2)
    plots.latent_map(points, onp.array([3, 7, 3, 7]))
    panels = {axis.get_title(): axis.lines for axis in drawn[0].axes}
    assert {title: len(lines[1].get_xdata()) for title, lines in panels.items()} == {'3': 2, '7': 2}
    assert panels['7'][1].get_xydata().tolist() == [[2, 3], [6, 7]]
    assert {lines[1].get_color() for lines in panels.values()} == {drawing.BLACK}


def test_a_figure_is_written_as_png(tmp_path):
    plots.against('push', {'PSNR': {'a': (0.1, 20.0)}}, path=tmp_path / 'figure.png')
    with Image.open(tmp_path / 'figure.png') as image:
        assert image.format == 'PNG' and image.width == 1400


def test_a_shown_figure_has_words_for_those_who_do_not_see_it(monkeypatch):
    shown = []
    monkeypatch.setattr(
        drawing, 'display', lambda data, metadata, raw: shown.append((data, metadata))
    )
    plots.pictures([onp.zeros((3, 1, 28, 28))], alt='three black squares')
    plots.lines('epoch', 'KL', {'plain': [[1, 2]]})
    words = [(data['text/plain'], kinds['image/png']['alt']) for data, kinds in shown]
    assert words == [('three black squares',) * 2, ('KL against epoch: plain.',) * 2]


def test_early_figures_are_cut_as_well_as_their_smoothed_pixels_allow():
    run = paths.RESULTS / 'ConvVAE_on_anime' / '512_32_20_kl0.1_b16_flip_cosine'
    with Image.open(run / 'reconstructions.png') as image:
        real, blurred = plots.tiles(image, 64)
    assert real.shape == blurred.shape == (10, 3, 64, 64)
    assert sharpness_ratio(real, blurred) < 0.2  # before they were smoothed 0.04


RC = {  # what people have in a matplotlibrc for figures of their own
    'savefig.format': 'pdf',
    'savefig.bbox': 'tight',
    'savefig.facecolor': 'black',
    'savefig.transparent': True,
    'font.size': 20,
    'figure.autolayout': True,
    'lines.linewidth': 5,
    'axes.grid': True,
    'axes.facecolor': 'grey',
    'text.usetex': True,
}


@pytest.mark.parametrize('name', RC)
def test_settings_of_matplotlib_that_a_user_has_change_nothing(tmp_path, name):
    points = {'PSNR': {'a': (1.0, 2.0), 'b': (2.0, 1.0)}}
    plots.trade_off(points, path=tmp_path / 'ours.png')
    with plt.rc_context({name: RC[name]}):
        plots.trade_off(points, path=tmp_path / 'theirs.png')
        assert plt.rcParams[name] == RC[name]
    assert (tmp_path / 'ours.png').read_bytes() == (tmp_path / 'theirs.png').read_bytes()
