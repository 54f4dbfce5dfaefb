"""qtutor: the package behind the book – one idea about gradients, small enough to read in one sitting."""

from . import toy
from .gradients import gradients, mean_squared_error, scaled
from .history import History
from .simulator import evolve, hamiltonian, step, trajectory
from .states import Box, eigenstate, energies, inner, normalize, quantum_loss, superpositions
from .tasks import ControlTask, PredictionTask
from .training import train

__version__ = "0.1.0"
