"""The same controlled trajectory by QuTiP's sesolve: one state, the same matrix Hamiltonian, its own solver."""

import warnings

import numpy as np

import qtutor as qt

warnings.filterwarnings("ignore", "matplotlib not found")  # nothing is drawn here
import qutip  # noqa: E402


def trajectory(psi, u, box, dt):
    """Return a function that evolves psi under the piecewise constant control u, once."""
    free = qutip.Qobj(qt.hamiltonian(box).numpy())
    x = qutip.Qobj(np.diag(box.x.numpy()))
    times = dt * np.arange(len(u) + 1)
    values = np.append(u.numpy(), u[-1])
    system = qutip.QobjEvo([free, [x, qutip.coefficient(values, tlist=times, order=0)]])
    state = qutip.Qobj(psi.numpy())
    options = {"progress_bar": "", "nsteps": 100_000, "store_states": False}
    return lambda: qutip.sesolve(system, state, [0, times[-1]], options=options)
