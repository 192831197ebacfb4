"""The diagram of the two updates: what is updated has its colour."""

import matplotlib.pyplot as plt
from matplotlib.colors import to_rgba

from d2lvae import diagrams


def test_each_update_colours_what_learns_and_leaves_the_other_grey(monkeypatch):
    figures = []
    monkeypatch.setattr(diagrams, 'finish', lambda figure, alt, path: figures.append(figure))
    diagrams.two_updates()
    coloured = [
        {
            text.get_text()
            for text in axis.texts
            if text.get_bbox_patch()
            and text.get_bbox_patch().get_facecolor() == to_rgba(diagrams.UPDATED)
        }
        for axis in figures[0].axes
    ]
    plt.close('all')
    assert coloured == [{'D'}, {'encoder', 'decoder'}]
