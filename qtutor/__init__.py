"""qtutor: the package behind the book – one idea about gradients, small enough to read in one sitting."""

from importlib import import_module

from . import check, toy
from .explore import explore
from .gradients import gradient_sizes, gradients, mean_squared_error, scaled
from .history import History
from .simulator import evolve, hamiltonian, step, trajectory
from .states import Box, eigenstate, energies, inner, normalize, quantum_loss, superpositions, tangent
from .steer import steer
from .tasks import ControlTask, PredictionTask
from .training import outputs, train

__version__ = "0.1.0"
__all__ = [
    "Box", "ControlTask", "History", "PredictionTask", "check", "eigenstate", "energies", "evolve", "explore",
    "figures", "gradient_sizes", "gradients", "hamiltonian", "inner", "mean_squared_error", "normalize", "outputs",
    "quantum_loss", "scaled", "steer", "step", "superpositions", "tangent", "toy", "train", "trajectory",
]


def __getattr__(name):
    """Import the figures when they are first asked for: Plotly takes a while, and training needs none of it."""
    if name == "figures":
        return import_module(".figures", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
