"""Train many runs at once: every (gradient, seed) pair is a network of its own in one batched ensemble.

A seed fixes the initial weights and the data order, the same for every gradient. A run never sees the others.
"""

import time
from contextlib import contextmanager

import numpy as np
import torch
from tqdm.auto import tqdm

from .gradients import gradients as named_gradients
from .history import History, settings
from .network import ACTIVATIONS, Network, initial_weights
from .states import quantum_loss
from .tasks import features

SAVE_EVERY = 30  # seconds
LARGEST = 1e15  # a network whose output reaches this has diverged; soon its square would overflow
OPTIMISERS = {"Adam": lambda rows, rate: torch.optim.Adam([rows], rate, fused=True),
              "SGD": lambda rows, rate: torch.optim.SGD([rows], rate)}


def train(task, gradients=("S", "L2", "M"), seeds=range(3), epochs=None, progress=True, device="cpu", resume=None,
          save=None):
    """Train a network per (gradient, seed) on `task` and return the History of their quantum losses.

    `gradients` are names, or a mapping name → function(psi, target) of your own. `epochs` defaults to the
    task's. Ctrl-C (or "interrupt kernel") ends the training and returns the epochs done so far; pass that
    History as `resume` to go on bit for bit. A run whose network diverges stops alone: its losses are NaN from
    there and `history.diverged` names it. `save` names a file that is brought up to date twice a minute, so that
    not even a power cut loses more. Raises KeyError for an unknown gradient, ValueError for
    settings that do not fit.
    """
    functions = _functions(gradients)
    seeds = [int(seed) for seed in seeds]
    epochs = task.epochs if epochs is None else int(epochs)
    if not seeds or not functions or epochs < 1:
        raise ValueError("train needs at least one gradient, one seed and one epoch")
    if task.optimiser not in OPTIMISERS:
        raise ValueError(f"unknown optimiser {task.optimiser!r}; there are {', '.join(OPTIMISERS)}")
    if task.activation not in ACTIVATIONS:
        raise ValueError(f"unknown activation {task.activation!r}; there are {', '.join(ACTIVATIONS)}")
    history = History(settings(task), list(functions), seeds, device=str(device)) if resume is None else resume
    history.check_continues(settings(task), list(functions), seeds)
    with _one_thread():
        _run(_Ensemble(task, functions, seeds, torch.device(device)), history, epochs, progress, save)
    return history


def _run(ensemble, history, epochs, progress, save=None):
    """Add epochs to the history until there are `epochs`, or the user interrupts."""
    ensemble.load(history.state)
    began, before, saved = time.perf_counter(), history.seconds, 0.0
    bar = tqdm(total=epochs, initial=history.epochs, disable=not progress, unit="epoch", desc=ensemble.task.name)
    try:
        while history.epochs < epochs:
            loss = ensemble.epoch(history.epochs)
            history.append(loss, ensemble.evaluate(), ensemble.dump(), ensemble.diverged())
            history.seconds = before + time.perf_counter() - began
            if save is not None and history.seconds - saved > SAVE_EVERY:
                history.save(save)
                saved = history.seconds
            bar.update()
            bar.set_postfix({name: f"{value:.2g}" for name, value in history.latest().items()})
    except KeyboardInterrupt:
        history.interrupted = True
    else:
        history.interrupted = False
    finally:
        bar.close()
    for name, seed, epoch in history.diverged:
        tqdm.write(f"{name}, seed {seed}: diverged in epoch {epoch} and was stopped; try a smaller learning rate")


class _Ensemble:
    """The networks of all runs, gradient by gradient: run = gradient · seeds + seed."""

    def __init__(self, task, functions, seeds, device):
        self.task, self.functions, self.seeds, self.device = task, functions, seeds, device
        self.states, self.targets = (part.to(device) for part in task.data())
        self.fresh = tuple(part.to(device) for part in task.data(fresh=True))
        self.inputs = features(self.states)
        self.rows = initial_weights(task.sizes, seeds).repeat(len(functions), 1).to(device).requires_grad_()
        self.optimiser = OPTIMISERS[task.optimiser](self.rows, task.learning_rate)
        self.dead = torch.zeros(len(self.rows), dtype=torch.bool, device=device)

    def epoch(self, number):
        """Train one epoch; return the mean quantum loss of every run over its samples, (gradients, seeds)."""
        order = torch.stack([self._order(seed, number) for seed in self.seeds]).to(self.device)
        total = torch.zeros(len(self.rows), dtype=torch.float64, device=self.device)
        for samples in order.split(self.task.batch, dim=1):
            samples = samples.repeat(len(self.functions), 1)
            psi, target = self._predict(self.inputs[samples], self.states[samples]), self.targets[samples]
            numbers = [function(*pair) for function, *pair in zip(
                self.functions.values(), psi.split(len(self.seeds)), target.split(len(self.seeds)), strict=True)]
            self.optimiser.zero_grad()
            sum(number.mean(-1).sum() for number in numbers).backward()
            self.optimiser.step()
            total += quantum_loss(psi.detach(), target).sum(-1, dtype=torch.float64)
        return self._shape(total / len(self.inputs))

    @torch.no_grad()
    def evaluate(self):
        """Return the mean quantum loss of every run on fresh initial states, (gradients, seeds)."""
        states, targets = (part.expand(len(self.rows), *part.shape) for part in self.fresh)
        psi = self._predict(features(states), states)
        return self._shape(quantum_loss(psi, targets).mean(-1, dtype=torch.float64))

    def diverged(self):
        """Return the (gradient, seed) pairs that have been stopped."""
        pairs = [(name, seed) for name in self.functions for seed in self.seeds]
        return [pair for pair, dead in zip(pairs, self.dead.tolist(), strict=True) if dead]

    def dump(self):
        """Return weights, optimiser and stopped runs as named arrays: all that is needed to go on."""
        state = self.optimiser.state[self.rows]
        arrays = {"weights": self.rows.detach(), "dead": self.dead, **state}
        return {name: value.cpu().numpy().copy() for name, value in arrays.items()}

    def load(self, arrays):
        """Go on from what `dump` returned; an empty mapping starts afresh."""
        if not arrays:
            return
        tensors = {name: torch.from_numpy(value.copy()) for name, value in arrays.items()}
        self.rows.data.copy_(tensors.pop("weights"))
        self.dead.copy_(tensors.pop("dead"))
        self.optimiser.state[self.rows] = {name: value.to(self.device) for name, value in tensors.items()}

    def _predict(self, inputs, states):
        output = Network.apply(self.rows, inputs, self.task.sizes, self.task.activation)
        sane = output.abs() < LARGEST  # false for NaN too
        if self.dead.any() or not sane.all():
            self.dead |= ~sane.flatten(1).all(1)
            output = torch.where(self.dead[:, None, None], 1.0, output)
        return self.task.predict(output, states)

    def _order(self, seed, epoch):
        count = len(self.inputs)
        if not self.task.shuffle:
            return torch.arange(count)
        return torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(count))

    def _shape(self, values):
        values = torch.where(self.dead, torch.nan, values)
        return values.reshape(len(self.functions), len(self.seeds)).cpu().numpy()


def _functions(gradients):
    """Return {name: function} for names, or for a mapping of the reader's own."""
    if isinstance(gradients, str):
        gradients = (gradients,)
    return dict(gradients) if hasattr(gradients, "items") else {name: named_gradients[name] for name in gradients}


@contextmanager
def _one_thread():
    """These networks are small: a second thread costs more than it brings."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
