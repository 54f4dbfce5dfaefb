"""Many small networks side by side: the same shape, each with weights of its own.

All weights of one network lie in one row of a matrix (runs, parameters); a training step is then a few
batched matrix products for all runs at once. The derivative is written out by hand beside the forward pass.
"""

import math

import numba
import numpy as np
import torch
from torch.nn.functional import silu

PADDING = 32  # rows are filled up to a multiple of this, so no run's numbers depend on where its row lies


def parameter_count(sizes):
    """Return the number of weights and biases of a fully connected network, e.g. sizes (40, 64, 64, 50)."""
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in zip(sizes, sizes[1:], strict=False))


# name -> half the width of the uniform distribution from which the weights of a layer are drawn
INITIALISATIONS = {
    "glorot": lambda fan_in, fan_out: math.sqrt(6 / (fan_in + fan_out)),
    "he": lambda fan_in, fan_out: math.sqrt(6 / fan_in),
}


def initial_weights(sizes, seeds, initialisation="glorot"):
    """Return one row of weights per seed, shape (seeds, padded parameters): uniform weights, biases 0."""
    rows = torch.zeros(len(seeds), math.ceil(parameter_count(sizes) / PADDING) * PADDING)
    for row, seed in zip(rows, seeds, strict=True):
        generator = torch.Generator().manual_seed(int(seed))
        for weight, _ in layers(row[None], sizes):
            limit = INITIALISATIONS[initialisation](*weight.shape[1:])
            weight.copy_((2 * torch.rand(weight.shape, generator=generator) - 1) * limit)
    return rows


def layers(rows, sizes):
    """Return [(weights (runs, in, out), biases (runs, 1, out)), …] as views into the rows."""
    shapes = list(zip(sizes, sizes[1:]))
    lengths = [length for fan_in, fan_out in shapes for length in (fan_in * fan_out, fan_out)]
    parts = iter(rows[:, :sum(lengths)].split(lengths, 1))
    return [(weight.view(-1, *shape), bias[:, None]) for shape, weight, bias in zip(shapes, parts, parts)]


# float32, or the loop below would compute in double precision
HALF, END, A0, A1, A2, B1, B2, B3 = np.array([0.5, 4.5, 135135, 17325, 378, 62370, 3150, 28], np.float32)


@numba.njit(cache=True, error_model="numpy")
def _tanh(z):
    """tanh in place, to four units in the last place: five times faster than torch's.

    tanh x/2 is Lambert's continued fraction x/2 / (1 + x²/4 / (3 + x²/4 / (5 + …))), cut after 13 and written
    as p/q; then tanh x = 2pq / (p² + q²).
    """
    for i in range(len(z)):
        x = HALF * z[i]
        x = END if x > END else -END if x < -END else x  # a NaN stays one
        s = x * x
        p = x * (A0 + s * (A1 + s * (A2 + s)))
        q = A0 + s * (B1 + s * (B2 + s * B3))
        z[i] = (p + p) * q / (p * p + q * q)


@numba.njit(cache=True, error_model="numpy")
def _tanh_backward(gradient, h):
    """gradient · (1 − h²) in place."""
    for i in range(len(h)):
        gradient[i] -= gradient[i] * h[i] * h[i]


def tanh_(z):
    """tanh in place."""
    if z.device.type != "cpu" or z.dtype != torch.float32:
        return z.tanh_()
    _tanh(z.view(-1).numpy())
    return z


def tanh_backward_(gradient, h):
    """gradient · (1 − h²) in place, for h = tanh z."""
    if h.device.type != "cpu" or h.dtype != torch.float32:
        return gradient.mul_(1 - h.square())
    _tanh_backward(gradient.view(-1).numpy(), h.view(-1).numpy())
    return gradient


# name -> (h from z, the chain rule from h and z); z holds h where the function works in place
ACTIVATIONS = {
    "tanh": (tanh_, lambda gradient, h, z: tanh_backward_(gradient, h)),
    "relu": (torch.relu_, lambda gradient, h, z: gradient.mul_(h > 0)),
    "silu": (silu, lambda gradient, h, z: torch.ops.aten.silu_backward(gradient, z)),
}


class Network(torch.autograd.Function):
    """Network.apply(rows, x, sizes, activation): x (runs, batch, in) → (runs, batch, out).

    Its derivative is the one in the rows.
    """

    @staticmethod
    def forward(ctx, rows, x, sizes, activation):
        hidden, before, views = [x], [None], layers(rows, sizes)
        for weight, bias in views[:-1]:
            before.append(torch.baddbmm(bias, hidden[-1], weight))
            hidden.append(ACTIVATIONS[activation][0](before[-1]))
        ctx.held = (rows, views, hidden, before, activation)
        weight, bias = views[-1]
        return torch.baddbmm(bias, hidden[-1], weight)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        rows, views, hidden, before, activation = ctx.held
        parts = []
        for (weight, _), h, z in reversed(list(zip(views, hidden, before))):
            parts += [gradient.sum(1), torch.bmm(h.mT, gradient).flatten(1)]
            if z is not None:
                gradient = ACTIVATIONS[activation][1](torch.bmm(gradient, weight.mT), h, z)
        padding = rows.shape[1] - sum(part.shape[1] for part in parts)
        return torch.cat([*parts[::-1], rows.new_zeros(len(rows), padding)], dim=1), None, None, None
