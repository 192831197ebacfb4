"""The machinery around a training: experiments, checkpoints, scores, results, sweeps, tables."""
