"""Every figure of the book, one function each: data in, Plotly figure out, with a text alternative."""

from .plane import figure1, gradient_size, landscape, plane_path, plateau, race
from .quantum import convergence, eigenstates, phase_dial, populations, wave_packet
from .training import smooth, training_curves

__all__ = ["convergence", "eigenstates", "figure1", "gradient_size", "landscape", "phase_dial", "plane_path", "plateau",
           "populations", "race", "smooth", "training_curves", "wave_packet"]
