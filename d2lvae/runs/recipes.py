"""Our own recipes for the study's networks."""

from d2lvae.runs.experiment import Experiment
from d2lvae.runs.study import ABLATIONS, FEWER_FACES, Entry, entries_of_study


def recipes():
    """All of our own recipes."""
    return (
        *digit_recipes(),
        *face_recipes(),
        plain_for_ablations(),
        *disc_weight_recipes(),
        *pbp_weight_recipes(),
        ramped_switch(),
        *schedules_at_50(),
    )


def ours(study_row, note, control=None, groups=None, **changes):
    """Our own recipe for the networks of a row of the study.

    Without a `control` or `groups` of its own it has those of the row.
    """
    base = entries_of_study()[study_row]
    experiment = Experiment(**base.experiment.model_dump() | changes)
    return Entry(experiment, study_row, groups or base.groups, control or base.control, note)


def digit_recipes():
    """Our own recipes for the study's networks on digits."""
    best_plain = ours(
        'DenseVAE_on_MNIST/5_3_400_bce_50',
        'cosine schedule, binarised input, jittered digits, 150 epochs',
        run='5_3_400_bce_150_jitter0.4_binarised_cosine',
        num_epochs=150,
        lr_schedule='cosine',
        binarise_input=True,
        augment=0.4,
    )
    combo = {
        'study_row': 'DenseVAE_DenseLogReg_on_MNIST/5_3_400_1_200_50',
        'control': best_plain.experiment.folder,
        'num_epochs': 75,
        'lr_schedule': 'cosine',
        'beta1': 0.5,
        'pbp_weight': 4.0,
        'binarise_input': True,
    }
    best_combo = ours(
        note='disc weight 150, PBP weight 4, beta1 0.5, cosine schedule, binarised input, '
        'jittered digits, 75 epochs',
        run='5_3_400_1_200_75_150_4_beta0.5_jitter0.3_binarised_cosine',
        disc_weight=150.0,
        augment=0.3,
        **combo,
    )
    sharpest_combo = ours(
        note='the same with disc weight 300, and no jitter',
        run='5_3_400_1_200_75_300_4_beta0.5_binarised_cosine',
        disc_weight=300.0,
        **combo,
    )
    return best_plain, best_combo, sharpest_combo


def face_recipes():
    """Our own recipes for the study's networks on faces."""
    common = {'batch_size': 16, 'lr_schedule': 'cosine', 'flip': True}
    best_plain = ours(
        'ConvVAE_on_anime/512_32_200_seeded',
        'KL weight 0.1, batches of 16, mirrored faces, cosine schedule',
        run='512_32_20_kl0.1_b16_flip_cosine',
        kl_weight=0.1,
        **common,
    )
    combo = {
        'study_row': 'ConvVAE_ConvDisc_LeakyReLU_on_anime/512_32_32_200_10_seeded',
        'disc_norm': 'spectral',
        'kl_weight': 0.05,
        'lr': 5e-4,
        'beta1': 0.5,
        **common,
    }
    longer = {'solo_epochs': 5, **combo}  # and 15 combo epochs
    return (
        best_plain,
        ours(
            note='disc weight 200, spectral norm, KL weight 0.05, 5 solo and 15 combo epochs, '
            'batches of 16, beta1 0.5, mirrored faces, cosine schedule',
            run='512_32_32_5+15_200_1_spectral_kl0.05_b16_beta0.5_flip_cosine',
            disc_weight=200.0,
            **longer,
        ),
        ours(
            note='the same with disc weight 600, 3 solo and 9 combo epochs',
            run='512_32_32_3+9_600_1_spectral_kl0.05_b16_beta0.5_flip_cosine',
            disc_weight=600.0,
            num_epochs=12,
            solo_epochs=3,
            **combo,
        ),
        *(
            ours(
                note=f'the same with disc weight {weight:,}, 5 solo and 15 combo epochs',
                run=f'512_32_32_5+15_{weight}_1_spectral_kl0.05_b16_beta0.5_flip_cosine',
                disc_weight=float(weight),
                **longer,
            )
            for weight in (1200, 1500)
        ),
        ours(
            note='the same with disc weight 4,000, KL weight 0.02, 5 solo and 15 combo epochs',
            run='512_32_32_5+15_4000_1_spectral_kl0.02_b16_beta0.5_flip_cosine',
            disc_weight=4000.0,
            **longer | {'kl_weight': 0.02},
        ),
    )


def plain_for_ablations():
    """The plain VAE to compare with where weights and timing are varied: weight 0, all solo."""
    return ours(
        'ConvVAE_on_anime/512_32_200_seeded',
        f"the study's recipe at a tenth of its epochs, {FEWER_FACES['num_train']:,} faces",
        groups=ABLATIONS,
        run='512_32_20_train3200',
        **FEWER_FACES,
    )


def disc_weight_recipes():
    """Two ways not to choose the disc weight by hand."""
    common = {
        'study_row': 'ConvVAE_ResNet_on_anime/512_32_200_10_1',
        'groups': ('disc_weight',),  # the row stands in all three
    }
    adaptive = ours(
        note='adaptive weight: the adversarial gradient is made as long as that of the PBP loss',
        run='512_32_20_adaptive_1',
        disc_weighting='adaptive',
        disc_weight=1.0,
        **common,
    )
    dis_l = ours(
        note='Dis_l in place of the pixels: PBP weight 0, Dis_l weight 1',
        run='512_32_20_10_0_disl1',
        pbp_weight=0.0,
        dis_l_weight=1.0,
        **common,
    )
    return adaptive, dis_l


def pbp_weight_recipes():
    """Twins of the rows, whose KL weight is the PBP weight: beta, their ratio, stays 1."""
    return [
        ours(
            f'ConvVAE_ResNet_on_anime/512_32_200_10_{weight}',
            f'KL weight {weight}, as the PBP weight, so that only the share of the discriminator '
            'changes',
            run=f'512_32_20_10_{weight}_kl{weight}',
            kl_weight=weight,
        )
        for weight in (1.2, 0.8, 0.5)
    ]


def schedules_at_50():
    """The study's schedules with a disc weight of 50: at 10 the discriminator always wins here."""
    for solo_epochs in (5, 10, 15):
        combo_epochs = 20 - solo_epochs
        yield ours(
            f'ConvVAE_ResNet_on_anime/512_32_{solo_epochs}0+{combo_epochs}0_10_1',
            'disc weight 50, with which the discriminator does not always win',
            run=f'512_32_{solo_epochs}+{combo_epochs}_50_1',
            disc_weight=50.0,
        )


def ramped_switch():
    """A gentle switch from solo to combo epochs, beside the study's abrupt one."""
    return ours(
        'ConvVAE_ResNet_on_anime/512_32_100+100_10_1',
        'discriminator warmed up over the last 2 solo epochs, its weight raised over the first 2 '
        'combo epochs',
        run='512_32_10+10_10_1_warmup2_ramp2',
        disc_warmup_epochs=2,
        disc_ramp_epochs=2.0,
    )
