"""Checkpoints: everything a run needs to go on, replaced as a whole."""

import io

import numpy as onp
import pandas as pd
from mxnet import np

from d2lvae.base import files
from d2lvae.base.errors import CourseError, one_line


class Checkpoint:
    """Networks, optimisers, statistics, and the frames of an animation (`animation.frame`).

    The position is the number of epochs in the statistics.
    """

    def __init__(self, folder):
        self.folder = folder

    def rows(self):
        """The statistics so far, a dict an epoch; none if an accident has damaged them."""
        try:
            text = (self.folder / 'epochs.csv').read_text()
            table = pd.read_csv(io.StringIO(text), float_precision='round_trip')
        except (OSError, ValueError):
            return []
        if not text.endswith('\n'):  # the end is lost
            return []
        return table.astype(object).where(table.notna(), None).to_dict('records')

    def frames(self):
        """Held-out pictures after each epoch, uint8 (N, C, H, W); none if they were not kept."""
        path = self.folder / 'frames.npy'
        return list(onp.load(path)) if path.exists() else []

    def load_networks(self, vae, disc=None):
        files.load_weights(vae, self.folder / 'vae.safetensors')
        if disc is not None:
            files.load_weights(disc, self.folder / 'disc.safetensors')

    def restore(self, trainer):
        """Bring networks, optimisers and frames back; the statistics so far.

        Where the discriminator was not trained yet, it stays as it is. What an accident has damaged
        is set aside; CourseError if the networks have taken a part of it.
        """
        files.recover(self.folder)  # here only, where no other process can be writing it
        rows, trainer.frames = self.rows(), []
        if not rows and self.folder.exists():
            files.set_aside(self.folder)
        if rows:
            try:
                self.load_all(trainer)
            except Exception as e:  # pickle and MXNet have many for a file that is not whole
                files.set_aside(self.folder)
                raise CourseError(
                    f'{self.folder} was damaged ({one_line(e.__cause__ or e)}): start the same '
                    'command again, which trains this seed from its beginning.'
                ) from e
            if rows[-1].get('ratio') is not None:
                trainer.ratio = np.array(rows[-1]['ratio'])
        return rows

    def load_all(self, trainer):
        with_disc = (self.folder / 'disc.states').exists()
        self.load_networks(trainer.model, trainer.disc if with_disc else None)
        trainer.frames = self.frames() if trainer.p.animated else []
        trainer.vae_optim.load_states(str(self.folder / 'vae.states'))
        if with_disc:
            trainer.disc_optim.load_states(str(self.folder / 'disc.states'))

    def save(self, trainer, rows, with_disc=True):
        with files.replaced_folder(self.folder) as folder:
            files.save_weights(trainer.model, folder / 'vae.safetensors')
            trainer.vae_optim.save_states(str(folder / 'vae.states'))
            if trainer.disc is not None and with_disc:
                files.save_weights(trainer.disc, folder / 'disc.safetensors')
                trainer.disc_optim.save_states(str(folder / 'disc.states'))
            if trainer.frames:
                onp.save(folder / 'frames.npy', onp.stack(trainer.frames))
            pd.DataFrame(rows).to_csv(folder / 'epochs.csv', index=False)
