"""The batched networks and both tasks' data against torch's own layers and the simulator."""

import math
from dataclasses import fields

import numpy as np
import pytest
import torch

import qtutor as qt
from qtutor.network import ACTIVATIONS, Network, initial_weights, layers, parameter_count
from qtutor.tasks import TASKS, features

SIZES = (6, 8, 8, 5)
TORCH = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU, "silu": torch.nn.SiLU}


def torch_network(row, sizes, activation="tanh"):
    """The same network from torch's own layers, weights copied from one row."""
    modules = []
    for weight, bias in layers(row[None], sizes):
        linear = torch.nn.Linear(weight.shape[1], weight.shape[2]).to(row.dtype)
        with torch.no_grad():
            linear.weight.copy_(weight[0].T)
            linear.bias.copy_(bias[0, 0])
        modules += [linear, TORCH[activation]()]
    return torch.nn.Sequential(*modules[:-1])


def row_gradient(network, sizes, like):
    """The gradients of torch's layers, laid out as a row."""
    row = torch.zeros_like(like)
    linears = [module for module in network if isinstance(module, torch.nn.Linear)]
    for (weight, bias), linear in zip(layers(row[None], sizes), linears):
        weight[0].copy_(linear.weight.grad.T)
        bias[0, 0].copy_(linear.bias.grad)
    return row


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_run_is_a_network_of_torchs_own_layers(activation):
    rows = initial_weights(SIZES, [3, 4, 5])
    rows += 0.1 * torch.randn(rows.shape, generator=torch.Generator().manual_seed(0))  # biases too
    rows.requires_grad_()
    x = torch.randn(3, 7, 6, generator=torch.Generator().manual_seed(1))
    weights = torch.randn(3, 7, 5, generator=torch.Generator().manual_seed(2))
    output = Network.apply(rows, x, SIZES, activation)
    (weights * output.square()).sum().backward()
    for k in range(3):
        network = torch_network(rows[k].detach(), SIZES, activation)
        expected = network(x[k])
        (weights[k] * expected.square()).sum().backward()
        torch.testing.assert_close(output[k], expected, atol=2e-6, rtol=1e-5)
        torch.testing.assert_close(rows.grad[k], row_gradient(network, SIZES, rows[k]), atol=2e-5, rtol=1e-4)


def test_parameter_counts_are_the_papers_about_ten_thousand():
    assert parameter_count(qt.PredictionTask().sizes) == 9_384
    assert parameter_count(qt.ControlTask().sizes) == 10_034
    network = torch_network(initial_weights(SIZES, [0])[0], SIZES)
    assert parameter_count(SIZES) == sum(p.numel() for p in network.parameters())


def test_initial_weights_are_glorot_uniform_with_zero_biases():
    sizes = (200, 300, 50)
    for (weight, bias), (fan_in, fan_out) in zip(layers(initial_weights(sizes, [1]), sizes), [(200, 300), (300, 50)]):
        limit = math.sqrt(6 / (fan_in + fan_out))
        assert not bias.any() and 0.99 * limit < weight.abs().max() <= limit
        assert float(weight.mean()) == pytest.approx(0, abs=0.01 * limit)
        assert float(weight.std()) == pytest.approx(limit / math.sqrt(3), rel=0.01)


def test_initial_weights_depend_on_their_seed_alone():
    torch.manual_seed(1)
    first = initial_weights(SIZES, [5, 6])
    torch.manual_seed(2)
    assert torch.equal(first[1], initial_weights(SIZES, [6])[0]) and not torch.equal(first[0], first[1])


def test_prediction_data_are_all_pairs_of_neighbouring_states():
    task = qt.PredictionTask()
    states, targets = task.data()
    assert states.shape == targets.shape == (10_000, 20) and states.dtype == torch.complex64
    assert (torch.linalg.vector_norm(states, dim=-1) - 1).abs().max() < 1e-6
    some = torch.arange(0, 10_000, 997)
    expected = qt.step(states[some], 0.0, task.box)
    torch.testing.assert_close(targets[some], expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(states.reshape(100, 100, 20)[:, 1:], targets.reshape(100, 100, 20)[:, :-1])
    torch.testing.assert_close(states.reshape(100, 100, 20)[:, 0], task.initial().to(torch.complex64))


def test_control_data_are_superpositions_and_one_eigenstate():
    task = qt.ControlTask()
    states, targets = task.data()
    assert states.shape == targets.shape == (100, 20)
    assert (targets == qt.eigenstate(task.box, 4).to(torch.complex64)).all()
    outside = [qt.inner(qt.eigenstate(task.box, n).to(torch.complex64), states).abs().max() for n in range(3, 21)]
    assert max(outside) < 1e-6  # initial states lie in the first two modes


@pytest.mark.parametrize("task", [qt.PredictionTask(), qt.ControlTask()])
def test_fresh_states_are_others_and_data_are_the_same_for_all(task):
    assert torch.equal(task.data()[0], task.data()[0])
    assert not torch.isin(task.data(fresh=True)[0].real, task.data()[0].real).all(-1).any()
    assert not torch.equal(type(task)(data_seed=1).data()[0], task.data()[0])


def test_without_a_control_a_longer_box_is_a_shorter_time_step():
    for a, b in zip(qt.PredictionTask(length=4.0).data(), qt.PredictionTask(dt=0.05).data()):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("task", TASKS.values())
def test_every_setting_has_an_origin_and_the_papers_value(task):
    for name, default, origin in task.table():
        assert origin.startswith(("paper 3", "our choice")), name
        assert getattr(task(), name) == default
    assert {row[0] for row in task.table()} == {f.name for f in fields(task)}
    paper = {"points": 20, "dt": 0.2, "count": 100, "learning_rate": 0.005, "optimiser": "Adam"}
    paper |= {"steps": 100, "batch": 200} if task is qt.PredictionTask else {"steps": 50, "batch": 10}
    ours = {"length": 2.0, "origin": 0.0, "modes": 2, "width": 64, "activation": "tanh", "shuffle": True}
    ours |= {"epochs": 60} if task is qt.PredictionTask else {"epochs": 300, "target": 4}
    settings = {name: (default, origin) for name, default, origin in task.table()}
    for name, value in {**paper, **ours}.items():
        assert settings[name][0] == value
        assert settings[name][1].startswith("paper" if name in paper else "our choice")


def test_features_are_real_parts_then_imaginary_parts():
    psi = torch.tensor([[1 + 2j, 3 + 4j]])
    assert features(psi).tolist() == [[1, 3, 2, 4]]
    task = qt.PredictionTask(points=2)
    torch.testing.assert_close(task.predict(features(psi), None), psi / math.sqrt(30))


def test_control_predicts_with_the_simulator():
    task = qt.ControlTask(steps=6)
    states, _ = task.data()
    u = torch.from_numpy(np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32))
    psi = states
    for k in range(6):
        psi = qt.step(psi, u[:, k].double(), task.box)
    torch.testing.assert_close(task.predict(u, states), psi, atol=1e-5, rtol=0)
