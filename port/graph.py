"""A training step as one CUDA graph: hundreds of small kernels with one launch."""

import torch

WARM_UP = 3  # calls before a step is recorded, in which libraries choose their kernels


class Graphed:
    """A function of a dictionary of tensors, recorded after `WARM_UP` calls and then replayed.

    It returns a tensor, the same one at every call. The calls before are as real as those after:
    nothing is trained twice. Recording runs nothing.
    """

    def __init__(self, function):
        self.function, self.calls, self.graph = function, 0, None

    def __call__(self, inputs):
        self.calls += 1
        if self.calls <= WARM_UP:
            return self.function(inputs)
        if self.graph is None:
            self.inputs = {name: value.clone() for name, value in inputs.items()}
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph, stream=torch.cuda.current_stream()):
                self.output = self.function(self.inputs)
        for name, value in inputs.items():
            self.inputs[name].copy_(value)
        self.graph.replay()
        return self.output
