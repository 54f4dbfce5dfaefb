"""Train many runs at once: every (gradient, seed) pair is a network of its own in one batched ensemble.

A seed fixes the initial weights and the data order, the same for every gradient. A run never sees the others.
"""

import time
from contextlib import contextmanager

import numpy as np
import torch
from torch.nn.functional import embedding as take
from tqdm.auto import tqdm

from .gradients import gradients as named_gradients
from .history import History, settings, unhurried
from .inputs import check_device
from .network import ACTIVATIONS, INITIALISATIONS, Network, initial_weights
from .optimisers import OPTIMISERS
from .states import quantum_loss
from .tasks import features

SAVE_EVERY = 30  # seconds
LARGEST = 1e15  # a network whose output reaches this has diverged; soon its square would overflow


def train(task, gradients=("S", "L2", "M"), seeds=range(3), epochs=None, progress=True, device="cpu", resume=None,
          save=None, snapshots=()):
    """Train a network per (gradient, seed) on `task` and return the History of their quantum losses.

    `gradients` are names, or a mapping name → function(psi, target) of your own. `epochs` defaults to the
    task's. Ctrl-C (or "interrupt kernel") ends the training and returns the epochs done so far; pass that
    History as `resume` to go on with it bit for bit, in place. A run whose network diverges stops alone: its losses
    are NaN from there and `history.diverged` names it. `save` names a file that is brought up to date twice a minute,
    so that not even a power cut loses more, and at the end, however that comes. `snapshots` lists epochs after which
    the weights are kept (0: before the first), for `outputs`. Raises KeyError for an unknown gradient, ValueError for
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
    if task.initialisation not in INITIALISATIONS:
        raise ValueError(f"unknown initialisation {task.initialisation!r}; there are {', '.join(INITIALISATIONS)}")
    device = check_device(device)
    history = History(settings(task), list(functions), seeds, device=str(device)) if resume is None else resume
    history.check_continues(settings(task), list(functions), seeds)
    history.settings["epochs"] = max(epochs, history.epochs)
    with _one_thread(), torch.enable_grad():  # puts back what an interrupt inside torch.no_grad leaves off
        _run(_Ensemble(task, functions, seeds, device), history, epochs, progress, save,
             set(snapshots))
    return history


def outputs(history, states, epoch=None):
    """Return what the trained networks answer to states (count, N): (gradients, seeds, count, outputs).

    Each network gets states of its own where `states` is (gradients, seeds, count, N). `epoch` chooses a snapshot,
    None the weights at the end; `history.task.predict(output, states)` turns the
    answers into states. Carries no gradient. Raises ValueError for an epoch of which there is no snapshot.
    """
    if epoch is not None and epoch not in history.snapshots:
        raise ValueError(f"no snapshot after epoch {epoch}; there are {sorted(history.snapshots)}. "
                         "Ask for it when training: train(..., snapshots=[…])")
    task = history.task
    if not history.state:
        raise ValueError("this history has no epoch yet, so there are no networks to ask")
    if not states.is_complex() or states.dim() < 2 or states.shape[-1] != task.points:
        raise ValueError(f"states must be complex, (count, {task.points}); got {states.dtype} {tuple(states.shape)}")
    rows = torch.from_numpy(history.state["weights"] if epoch is None else history.snapshots[epoch])
    runs = len(history.gradients), len(history.seeds)
    inputs = features(states.to(torch.complex64)).expand(*runs, *states.shape[-2:-1], -1).flatten(0, 1)
    with torch.no_grad():
        return Network.apply(rows, inputs, task.sizes, task.activation).unflatten(0, runs)


def _run(ensemble, history, epochs, progress, save=None, snapshots=()):
    """Add epochs to the history until there are `epochs`, or the user interrupts."""
    ensemble.load(history.state)
    began, before, saved = time.perf_counter(), history.seconds, 0.0
    bar = tqdm(total=epochs, initial=history.epochs, disable=not progress, unit="epoch", desc=ensemble.task.name)
    if 0 in snapshots and history.epochs == 0:
        history.snapshots[0] = ensemble.dump()["weights"]
    try:
        while history.epochs < epochs:
            loss = ensemble.epoch(history.epochs)
            history.append(loss, ensemble.evaluate(), ensemble.dump(), ensemble.diverged(),
                           keep=history.epochs + 1 in snapshots)
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
        with unhurried():
            bar.close()
            if save is not None and history.epochs:
                history.save(save)
    for name, seed, epoch in history.diverged:
        tqdm.write(f"{name}, seed {seed}: diverged in epoch {epoch} and was stopped; try a smaller learning rate")


class _Ensemble:
    """The networks of all runs, gradient by gradient: run = gradient · seeds + seed."""

    def __init__(self, task, functions, seeds, device):
        self.task, self.functions, self.seeds, self.device = task, functions, seeds, device
        self.states, self.targets = (part.to(device) for part in task.data())
        self.fresh = tuple(part.to(device) for part in task.data(fresh=True))
        self.inputs = features(self.states)
        self.rows = initial_weights(task.sizes, seeds, task.initialisation).repeat(len(functions), 1).to(device)
        self.memory = {"step": torch.zeros((), device=device), "mean": torch.zeros_like(self.rows),
                       "square": torch.zeros_like(self.rows)}
        self.dead = torch.zeros(len(self.rows), dtype=torch.bool, device=device)

    def epoch(self, number):
        """Train one epoch; return the mean quantum loss of every run over its samples, (gradients, seeds)."""
        order = torch.stack([self._order(seed, number) for seed in self.seeds]).to(self.device)
        losses, copies, batch = [], len(self.functions), self.task.batch
        for samples in order.split(batch * max(1, 200 // batch), dim=1):  # small batches are looked up together
            inputs, states, targets = (take(samples, part) for part in (self.inputs, self.states, self.targets))
            seen = []
            for x, start, target in zip(*(part.split(batch, dim=1) for part in (inputs, states, targets))):
                rows = self.rows.detach().requires_grad_()
                psi = self._predict(rows, torch.cat([x] * copies), torch.cat([start] * copies))
                seen.append(psi.detach().unflatten(0, (copies, -1)))
                slopes = [_slope(function, own, target) for function, own in zip(self.functions.values(), seen[-1])]
                slope, = torch.autograd.grad(psi, rows, torch.cat(slopes).div_(x.shape[1]))  # the mean of the batch
                OPTIMISERS[self.task.optimiser](self.rows, slope, self.memory, self.task.learning_rate)
            losses.append(quantum_loss(self.task.judged(torch.cat(seen, dim=2)), targets))
        return self._shape(torch.cat(losses, -1).mean(-1, dtype=torch.float64).flatten())

    @torch.no_grad()
    def evaluate(self):
        """Return the mean quantum loss of every run on fresh initial states, (gradients, seeds)."""
        inputs, states, targets = (part.expand(len(self.rows), *part.shape)
                                   for part in (features(self.fresh[0]), *self.fresh))
        psi = self.task.judged(self._predict(self.rows, inputs, states))
        return self._shape(quantum_loss(psi, targets).mean(-1, dtype=torch.float64))

    def diverged(self):
        """Return the (gradient, seed) pairs that have been stopped."""
        pairs = [(name, seed) for name in self.functions for seed in self.seeds]
        return [pair for pair, dead in zip(pairs, self.dead.tolist(), strict=True) if dead]

    def dump(self):
        """Return weights, optimiser and stopped runs as named arrays: all that is needed to go on."""
        arrays = {"weights": self.rows, "dead": self.dead, **self.memory}
        return {name: value.cpu().numpy().copy() for name, value in arrays.items()}

    def load(self, arrays):
        """Go on from what `dump` returned; an empty mapping starts afresh."""
        if not arrays:
            return
        for name, tensor in {"weights": self.rows, "dead": self.dead, **self.memory}.items():
            tensor.copy_(torch.from_numpy(arrays[name]))

    def _predict(self, rows, inputs, states):
        output = Network.apply(rows, inputs, self.task.sizes, self.task.activation)
        low, high = map(float, output.detach().aminmax())
        if self.dead.any() or not -LARGEST < low <= high < LARGEST:  # so for NaN too
            sane = output.abs() < LARGEST
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


def _slope(function, psi, target):
    """Return the gradient of the function's numbers in psi."""
    if hasattr(function, "slope"):
        return function.slope(psi, target)
    psi = psi.clone().requires_grad_()
    return torch.autograd.grad(function(psi, target).sum(), psi)[0]


@contextmanager
def _one_thread():
    """These networks are small: a second thread costs more than it brings."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
