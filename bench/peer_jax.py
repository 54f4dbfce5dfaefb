"""The same training in JAX, compiled whole: what the package is measured against.

The mini batches handed over in one call are one compiled scan; the simulator is a scan over tridiagonal solves. All
runs of an ensemble are batched by vmap. Adam is written out.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax.lax.linalg import tridiagonal_solve

jax.config.update("jax_enable_x64", True)


def network(layers, x):
    """A tanh network; layers is a list of (weights (in, out), biases (out,))."""
    for weight, bias in layers[:-1]:
        x = jnp.tanh(x @ weight + bias)
    weight, bias = layers[-1]
    return x @ weight + bias


def losses(psi, target):
    """The numbers per sample whose derivatives are S, L2 and M."""
    c = jnp.sum(target.conj() * psi, -1)
    loss = 1 - (c.real**2 + c.imag**2)
    overlap = jax.lax.stop_gradient(jnp.sqrt(jnp.maximum(1 - loss, 1e-12)))
    difference = psi - target
    return {"S": loss, "L2": 0.5 * jnp.sum(difference.real**2 + difference.imag**2, -1), "M": loss / overlap}


def evolve(psi, u, box, dt):
    """March psi (N,) through the controls u (T,): one tridiagonal solve per step, in double precision."""
    x, a = jnp.asarray(box.x.numpy()), dt / 2
    beside = jnp.full(box.points, -1j * a / box.dx**2)
    lower, upper = beside.at[0].set(0), beside.at[-1].set(0)

    def step(psi, value):
        diagonal = 1 + 1j * a * (2 / box.dx**2 + value * x)
        return 2 * tridiagonal_solve(lower, diagonal, upper, psi[:, None])[:, 0] - psi, None

    return jax.lax.scan(step, psi.astype(jnp.complex128), u.astype(jnp.float64))[0]


def predict(task, output, states):
    """From the network's output to a state: normalised for prediction, simulated for control."""
    if task.name == "control":
        return jax.vmap(partial(evolve, box=task.box, dt=task.dt))(states, output)
    psi = jax.lax.complex(output[..., : task.points], output[..., task.points:])
    return psi / jnp.sqrt(jnp.sum(psi.real**2 + psi.imag**2, -1, keepdims=True))


def adam(layers, moments, count, gradient, rate):
    """One step of Adam with the usual constants."""
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], gradient)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, moments[1], gradient)
    fast, slow = 1 - 0.9**count, 1 - 0.999**count
    layers = jax.tree.map(
        lambda w, m, v: (w - rate * (m / fast) / (jnp.sqrt(v / slow) + 1e-8)).astype(w.dtype), layers, first, second)
    return layers, (first, second)


def initial(rows, sizes):
    """Turn rows of weights (runs, parameters) into layers with a leading run axis, and zero moments."""
    layers, start = [], 0
    for fan_in, fan_out in zip(sizes, sizes[1:]):
        middle, end = start + fan_in * fan_out, start + (fan_in + 1) * fan_out
        weight = rows[:, start:middle].reshape(-1, fan_in, fan_out)
        layers.append((jnp.asarray(weight), jnp.asarray(rows[:, middle:end])))
        start = end
    zeros = jax.tree.map(jnp.zeros_like, layers)
    return layers, (zeros, zeros), jnp.zeros((), jnp.float32)


def trainer(task, names, seeds):
    """Return train(state, order) → (state, losses): all mini batches of `order` (seeds, samples), compiled whole."""
    states, targets = (jnp.asarray(part.numpy()) for part in task.data())
    inputs = jnp.concatenate([states.real, states.imag], -1)

    def number(layers, samples, name):
        psi = predict(task, network(layers, inputs[samples]), states[samples])
        values = losses(psi, targets[samples])
        return values[name].mean(), values["S"].mean()

    def step(state, samples):
        layers, moments, count = state
        parts = []
        for index, name in enumerate(names):  # runs of one gradient lie together; every gradient sees all seeds
            own = jax.tree.map(lambda leaf: leaf[index * seeds:(index + 1) * seeds], layers)  # noqa: B023
            parts.append(jax.vmap(jax.grad(partial(number, name=name), has_aux=True))(own, samples))
        gradient, loss = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)
        layers, moments = adam(layers, moments, count + 1, gradient, task.learning_rate)
        return (layers, moments, count + 1), loss

    @jax.jit
    def train(state, order):
        batches = order.reshape(seeds, -1, task.batch).swapaxes(0, 1)
        return jax.lax.scan(step, state, batches)

    return train
