"""The paper's two experiments: data, sizes, and where every setting comes from (sections 3.1 and 3.2)."""

import math
from dataclasses import dataclass, field, fields
from functools import cached_property

import torch

from .simulator import evolve, trajectory
from .states import Box, eigenstate, superpositions


def _set(default, origin):
    return field(default=default, metadata={"origin": origin})


def _plain(name, value, kind):
    """Return a setting as plain Python, whatever number type it came in; ValueError where it cannot be meant."""
    if kind is str:
        return str(value)
    if kind is bool:
        return bool(value)
    if not math.isfinite(value) or (kind is int and (value != int(value) or value < (name != "data_seed"))):
        wanted = "a finite number" if kind is float else f"a whole number, {int(name != 'data_seed')} or more"
        raise ValueError(f"{name} must be {wanted}; got {value}")
    return kind(value)


@dataclass(frozen=True)
class Task:
    """What both experiments share. Every field carries its origin; `table()` prints them."""

    points: int = _set(20, "paper 3")
    length: float = _set(2.0, "our choice: the authors' neighbouring codes")
    origin: float = _set(0.0, "our choice: x from the left wall, as in the authors' neighbouring codes")
    dt: float = _set(0.2, "paper 3")
    modes: int = _set(2, "our choice: initial states of the first two eigenstates, as in StableBPTT")
    count: int = _set(100, "paper 3.1, 3.2: initial states")
    data_seed: int = _set(0, "our choice: one data set for all runs")
    width: int = _set(64, "our choice: about 10 000 parameters (paper 3) in two hidden layers")
    activation: str = _set("tanh", "our choice: the authors' neighbouring codes")
    initialisation: str = _set("glorot", "our choice: Glorot uniform, zero biases, the authors' neighbouring codes")
    learning_rate: float = _set(0.005, "paper 3.1, 3.2: Adam")
    optimiser: str = _set("Adam", "paper 3.1, 3.2")
    shuffle: bool = _set(True, "our choice: a new permutation each epoch")

    def __post_init__(self):
        for one in fields(self):
            object.__setattr__(self, one.name, _plain(one.name, getattr(self, one.name), type(one.default)))

    @cached_property
    def box(self):
        return Box(self.points, self.length, self.origin)

    @property
    def sizes(self):
        """Layer sizes of the network; a state goes in as N real parts, then N imaginary parts."""
        return (2 * self.points, self.width, self.width, self.outputs)

    def judged(self, psi):
        """Return predicted states as Eq. 2 judges them: with norm 1."""
        return psi

    def initial(self, fresh=False):
        """Return the initial states (count, N); `fresh` draws others, never seen in training."""
        count = self.fresh_count if fresh else self.count
        return superpositions(self.box, count, self.modes, seed=(self.data_seed, int(fresh)))

    @classmethod
    def table(cls):
        """Return [(setting, default, origin), …], one row per setting."""
        return [(f.name, f.default, f.metadata["origin"]) for f in fields(cls)]


@dataclass(frozen=True)
class PredictionTask(Task):
    """Learn one simulator step: state at t → state at t + Δt (section 3.1).

    Without `normalised`, a gradient of your own gets states of any norm, which `quantum_loss` does not take.
    """

    steps: int = _set(100, "paper 3.1: steps per trajectory, every state–next-state pair is used")
    batch: int = _set(200, "paper 3.1")
    fresh_count: int = _set(10, "our choice: trajectories never trained on, 1000 pairs, for the test curve")
    epochs: int = _set(60, "our choice: the window in which the paper's picture appears")
    normalised: bool = _set(True, "our choice: the network's answer gets norm 1, or Eq. 2 has no smallest value")
    name = "prediction"

    @property
    def outputs(self):
        return 2 * self.points

    def data(self, fresh=False):
        """Return (states, targets), each (trajectories · steps, N) complex64: every state and the next one."""
        path = trajectory(self.initial(fresh), self.steps, self.box, self.dt).to(torch.complex64)
        return path[:, :-1].reshape(-1, self.points), path[:, 1:].reshape(-1, self.points)

    def predict(self, output, states):
        """Return the predicted next states: the network's 2N numbers as a state, of norm 1 if `normalised`."""
        return torch.complex(*(_unit(output) if self.normalised else output).split(self.points, dim=-1))

    def judged(self, psi):
        return psi if self.normalised else torch.complex(*_unit(features(psi)).split(self.points, dim=-1))


@dataclass(frozen=True)
class ControlTask(Task):
    """Learn to steer: initial state → control u(t) that brings it to an eigenstate (section 3.2)."""

    target: int = _set(4, "our choice: eigenstate 4, one of StableBPTT's 3, 4, 5, picked after a first look")
    steps: int = _set(50, "paper 3.2: simulator steps")
    batch: int = _set(10, "paper 3.2")
    fresh_count: int = _set(100, "our choice: initial states never trained on, for the test curve")
    epochs: int = _set(300, "our choice: where the curves have settled, picked after a first look")
    name = "control"

    @property
    def outputs(self):
        return self.steps

    def data(self, fresh=False):
        """Return (initial states, final states), each (count, N) complex64."""
        states = self.initial(fresh).to(torch.complex64)
        return states, eigenstate(self.box, self.target).to(torch.complex64).expand_as(states)

    def predict(self, output, states):
        """Return the states after the network's control u(t) = output has acted on `states`."""
        return evolve(states, output, self.box, self.dt)


TASKS = {task.name: task for task in (PredictionTask, ControlTask)}


def _unit(vectors):
    """Return real vectors divided by their length; one of length 0 has no direction and becomes (1, 0, …)."""
    square = vectors.square().sum(-1, keepdim=True)
    if not square.all():
        first = torch.eye(1, vectors.shape[-1], device=vectors.device)
        vectors, square = torch.where(square > 0, vectors, first), torch.where(square > 0, square, 1.0)
    return vectors * square.rsqrt()


def features(states):
    """Return states as the network sees them: (..., N) complex → (..., 2N) real parts, then imaginary parts."""
    return torch.cat([states.real, states.imag], dim=-1)
