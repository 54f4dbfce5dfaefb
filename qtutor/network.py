"""Many small networks side by side: the same shape, each with weights of its own.

All weights of one network lie in one row of a matrix (runs, parameters); a training step is then a few
batched matrix products for all runs at once. The derivative is written out by hand beside the forward pass.
"""

import math

import torch

# name -> (function, its derivative as a function of its own output)
ACTIVATIONS = {
    "tanh": (torch.tanh_, lambda h: 1 - h.square()),
    "relu": (torch.relu_, lambda h: (h > 0).to(h.dtype)),
}
PADDING = 32  # rows are filled up to a multiple of this, so no run's numbers depend on where its row lies


def parameter_count(sizes):
    """Return the number of weights and biases of a fully connected network, e.g. sizes (40, 64, 64, 50)."""
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in zip(sizes, sizes[1:], strict=False))


def initial_weights(sizes, seeds):
    """Return one row of weights per seed, shape (seeds, padded parameters): Glorot uniform, biases 0."""
    rows = torch.zeros(len(seeds), math.ceil(parameter_count(sizes) / PADDING) * PADDING)
    for row, seed in zip(rows, seeds, strict=True):
        generator = torch.Generator().manual_seed(int(seed))
        for weight, _ in layers(row[None], sizes):
            limit = math.sqrt(6 / (weight.shape[1] + weight.shape[2]))
            weight.copy_((2 * torch.rand(weight.shape, generator=generator) - 1) * limit)
    return rows


def layers(rows, sizes):
    """Return [(weights (runs, in, out), biases (runs, 1, out)), …] as views into the rows."""
    views, start = [], 0
    for fan_in, fan_out in zip(sizes, sizes[1:], strict=False):
        middle, end = start + fan_in * fan_out, start + (fan_in + 1) * fan_out
        views.append((rows[:, start:middle].unflatten(1, (fan_in, fan_out)), rows[:, None, middle:end]))
        start = end
    return views


class Network(torch.autograd.Function):
    """Network.apply(rows, x, sizes, activation): x (runs, batch, in) → (runs, batch, out), derivative in rows."""

    @staticmethod
    def forward(ctx, rows, x, sizes, activation):
        act, _ = ACTIVATIONS[activation]
        hidden, views = [x], layers(rows, sizes)
        for weight, bias in views[:-1]:
            hidden.append(act(torch.baddbmm(bias, hidden[-1], weight)))
        ctx.settings = (sizes, activation)
        ctx.save_for_backward(rows, *hidden)
        weight, bias = views[-1]
        return torch.baddbmm(bias, hidden[-1], weight)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        rows, *hidden = ctx.saved_tensors
        sizes, activation = ctx.settings
        result = torch.zeros_like(rows)
        pairs = zip(layers(result, sizes), layers(rows, sizes), hidden, strict=True)
        for place, ((grad_weight, grad_bias), (weight, _), h) in reversed(list(enumerate(pairs))):
            torch.bmm(h.mT, gradient, out=grad_weight)
            torch.sum(gradient, 1, keepdim=True, out=grad_bias)
            if place:
                gradient = torch.bmm(gradient, weight.mT).mul_(ACTIVATIONS[activation][1](h))
        return result, None, None, None
