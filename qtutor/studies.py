"""Which networks chapter 8 rests on: every study, its settings, seeds and gradients."""

import json
from dataclasses import dataclass
from functools import cache

import torch

from .gradients import gradients, scaled
from .history import settings
from .network import Network, initial_weights
from .states import inner, quantum_loss
from .tasks import ControlTask, PredictionTask, features

FIRST = 1000  # seeds from here on played no part in the choice of the defaults
CLAIMS = (1, 2, 3, 4, 5, 7, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 150, 200, 250, 300)
OTHERS = (1, 2, 3, 5, 10, 20, 30, 60, 100, 120, 200, 300, 600, 900)
NAMES = ("S", "L2", "M")


def whole_batch(psi, target):
    """Return ∇L as S does, but times one factor 1/√(1 − L) for the whole batch, from its mean loss."""
    factor = (1 - quantum_loss(psi, target).detach().mean(-1, keepdim=True)).clamp(min=1e-12).rsqrt()
    return scaled(0.0)(psi, target) * factor


FUNCTIONS = {**gradients, "α = ¼": scaled(0.25), "α = ¾": scaled(0.75), "α = 1": scaled(1.0), "batch": whole_batch}
FAMILY = {"S": 0.0, "α = ¼": 0.25, "M": 0.5, "α = ¾": 0.75, "α = 1": 1.0}


@dataclass(frozen=True)
class Study:
    """One setting of an experiment, trained with every gradient and seed; its numbers go to the file `group`."""

    group: str
    name: str
    task: PredictionTask | ControlTask
    seeds: range = range(FIRST, FIRST + 10)
    gradients: tuple = NAMES

    @property
    def epochs(self):
        """The epochs at which the curves are stored."""
        stored = CLAIMS if self.group == "claims" else OTHERS
        return [epoch for epoch in stored if epoch <= self.task.epochs]

    def about(self):
        """Return what makes this study: numbers stored under other settings are trained anew."""
        return json.loads(json.dumps({"settings": settings(self.task), "gradients": self.gradients,
                                      "epochs": self.epochs}))


@cache
def studies():
    """Return every study of chapter 8."""
    many, few = range(FIRST, FIRST + 20), range(FIRST, FIRST + 4)
    found = [Study("claims", "prediction", PredictionTask(epochs=120), many),
             Study("claims", "control", ControlTask(), many)]
    found += [Study("difficulty", f"final state {n}", ControlTask(target=n)) for n in (3, 5, 6)]
    found += [Study("exponent", f"final state {n}", ControlTask(target=n), gradients=(*FAMILY, "batch"))
              for n in (4, 5)]
    for draw in range(1, 11):
        found += [Study("draws", f"control {draw}", ControlTask(data_seed=draw), few),
                  Study("draws", f"prediction {draw}", PredictionTask(data_seed=draw, epochs=120), few)]
    for label, change in CONTROL.items():
        found.append(Study("sensitivity", f"control, {label}", ControlTask(**change)))
    for label, change in PREDICTION.items():
        found.append(Study("sensitivity", f"prediction, {label}", PredictionTask(**change)))
    return tuple(found)


EITHER = {
    "ReLU instead of tanh": {"activation": "relu"}, "SiLU instead of tanh": {"activation": "silu"},
    "He instead of Glorot": {"initialisation": "he"},
    "initial states of 1 mode": {"modes": 1}, "initial states of 3 modes": {"modes": 3},
    "initial states of 6 modes": {"modes": 6}, "white-noise initial states": {"modes": 20},
    "no shuffling": {"shuffle": False}, "learning rate ÷ 3": {"learning_rate": 0.005 / 3},
    "learning rate × 3": {"learning_rate": 0.015}, "width 32": {"width": 32},
}  # fmt: skip
PREDICTION = EITHER | {
    "answer not normalised": {"normalised": False}, "40 grid points": {"points": 40},
    "box length 1": {"length": 1.0}, "box length 4": {"length": 4.0}, "width 128": {"width": 128},
    "SGD, learning rate 0.5": {"optimiser": "SGD", "learning_rate": 0.5},
}  # fmt: skip
CONTROL = EITHER | {
    "x from the middle": {"origin": 1.0}, "x from the middle, Δt ÷ 4": {"origin": 1.0, "dt": 0.05, "steps": 200},
    "Δt ÷ 4, same duration": {"dt": 0.05, "steps": 200}, "Δt ÷ 2, same duration": {"dt": 0.1, "steps": 100},
    "final state 1": {"target": 1}, "final state 2": {"target": 2}, "box length 1": {"length": 1.0},
    "box length 4": {"length": 4.0}, "40 grid points": {"points": 40}, "width 128": {"width": 128},
    "SGD, learning rate 0.05": {"optimiser": "SGD", "learning_rate": 0.05},
    "SGD, learning rate 0.5": {"optimiser": "SGD", "learning_rate": 0.5},
    "batch of 100": {"batch": 100}, "three times the epochs": {"epochs": 900},
}  # fmt: skip


def low_overlap(task, seeds, below=0.1):
    """Return, per seed, the share of training samples whose overlap is below `below` before any training."""
    states, targets = task.data()
    rows = initial_weights(task.sizes, seeds, task.initialisation)
    with torch.no_grad():
        output = Network.apply(rows, features(states).expand(len(rows), -1, -1), task.sizes, task.activation)
        return (inner(targets, task.predict(output, states)).abs() < below).double().mean(-1).tolist()
