"""What a training leaves behind: exact round trips, and clear errors for files that are something else."""

import base64
import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import qtutor as qt

TASK = qt.ControlTask(count=12, steps=5)


def train(epochs=2, gradients=("S", "M"), **options):
    return qt.train(TASK, gradients, (4, 2), epochs, progress=False, **options)


@pytest.fixture(scope="module")
def history():
    return train()


def equal(a, b):
    """Field by field and bit by bit."""
    for name, value in vars(a).items():
        other = getattr(b, name)
        if isinstance(value, np.ndarray):
            assert value.dtype == other.dtype and np.array_equal(value, other, equal_nan=True), name
        elif name == "state":
            assert value.keys() == other.keys()
            for key, array in value.items():
                assert array.dtype == other[key].dtype and array.tobytes() == other[key].tobytes(), key
        else:
            assert value == other, name


def test_save_and_load_is_exact(history, tmp_path):
    history.save(tmp_path / "new" / "run.json")
    equal(history, qt.History.load(tmp_path / "new" / "run.json"))
    equal(history, qt.History.load(str(tmp_path / "new" / "run.json")))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["run.json"]


def test_not_a_number_survives_and_the_file_is_plain_json(tmp_path):
    def bad(psi, target):
        return qt.gradients["S"](psi, target) * torch.tensor([[1.0], [float("nan")]])

    history = train(gradients={"S": qt.gradients["S"], "bad": bad})
    assert np.isnan(history.loss[1, 1]).any() and history.diverged
    history.save(tmp_path / "run.json")

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    json.loads((tmp_path / "run.json").read_text(encoding="utf8"), parse_constant=refuse)
    equal(history, qt.History.load(tmp_path / "run.json"))


def test_every_setting_seed_and_version_is_in_the_file(history, tmp_path):
    history.save(tmp_path / "run.json")
    data = json.loads((tmp_path / "run.json").read_text(encoding="utf8"))
    trained = replace(TASK, epochs=2)
    assert data["settings"] == {"task": "control", **{name: getattr(trained, name) for name, *_ in TASK.table()}}
    assert data["seeds"] == [4, 2] and data["gradients"] == ["S", "M"] and data["seconds"] > 0
    assert data["versions"]["torch"] == torch.__version__ and data["versions"]["numpy"] == np.__version__
    assert data["versions"]["qtutor"] == qt.__version__
    assert sys.version.startswith(data["versions"]["python"])
    assert history.task == trained and history.epochs == 2


def test_a_training_goes_on_from_its_file_bit_for_bit(history, tmp_path):
    history.save(tmp_path / "run.json")
    resumed = train(4, resume=qt.History.load(tmp_path / "run.json"))
    whole = train(4)
    assert np.array_equal(resumed.loss, whole.loss) and np.array_equal(resumed.test, whole.test)
    assert resumed.state.keys() == whole.state.keys()
    assert all(resumed.state[key].tobytes() == whole.state[key].tobytes() for key in whole.state)


def test_an_interrupted_save_leaves_the_old_file(history, tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    history.save(path)
    first = path.stat().st_ino
    history.save(path)
    assert path.stat().st_ino != first  # a new file that took the place of the old one
    before = path.read_bytes()

    def full_disk(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(OSError, match="no space"):
        history.save(path)
    assert path.read_bytes() == before


def test_curves_have_the_promised_axes(history):
    assert history.loss.shape == history.test.shape == (2, 2, 2)  # gradient, seed, epoch
    assert history.latest() == pytest.approx({"S": history.loss[0, :, -1].mean(), "M": history.loss[1, :, -1].mean()})
    assert ((history.loss > 0) & (history.loss <= 1)).all()


def changed(**changes):
    """A good file with some entries replaced; None removes the entry."""
    def damage(text):
        data = json.loads(text) | changes
        return json.dumps({key: value for key, value in data.items() if value is not None})
    return damage


def other_dtype(text):
    data = json.loads(text)
    data["state"]["weights"]["dtype"] = "O"
    return json.dumps(data)


def short_weights(text):
    data = json.loads(text)
    raw = base64.b64decode(data["state"]["weights"]["base64"])[:-8]
    data["state"]["weights"]["base64"] = base64.b64encode(raw).decode()
    return json.dumps(data)


@pytest.mark.parametrize("damage", [
    pytest.param(lambda text: text[: len(text) // 2], id="truncated"),
    pytest.param(lambda text: "", id="empty"),
    pytest.param(lambda text: "[1, 2]", id="a list"),
    pytest.param(lambda text: "7", id="a number"),
    pytest.param(lambda text: "{}", id="an empty object"),
    pytest.param(lambda text: '{"format": "somebody else\'s"}', id="another format"),
    pytest.param(lambda text: "[" * 100_000, id="nested without end"),
    pytest.param(changed(loss=None), id="no losses"),
    pytest.param(changed(loss=[[[1.0]]]), id="losses of another shape"),
    pytest.param(changed(loss=[[["x", "y"], ["z", "w"]]] * 2), id="losses that are words"),
    pytest.param(changed(test=[[[0.5], [0.5]]] * 2), id="tests of another length"),
    pytest.param(changed(settings=None), id="no settings"),
    pytest.param(changed(settings={"task": "juggling"}), id="an unknown task"),
    pytest.param(changed(extra=1), id="an unknown entry"),
    pytest.param(changed(state={"weights": 1}), id="no weights"),
    pytest.param(other_dtype, id="objects"),
    pytest.param(short_weights, id="weights cut short"),
])
def test_a_file_that_is_no_history_is_refused(history, damage, tmp_path):
    path = tmp_path / "run.json"
    history.save(path)
    path.write_text(damage(path.read_text(encoding="utf8")), encoding="utf8")
    with pytest.raises(ValueError, match=r"run\.json is not a readable history.*Was it written by history\.save"):
        qt.History.load(path)


class Payload:
    def __reduce__(self):
        return Path.touch, (Path("unpickled"),)


def test_nothing_is_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("run.json").write_bytes(pickle.dumps(Payload()))
    with pytest.raises(ValueError, match="not a readable history"):
        qt.History.load("run.json")
    assert not Path("unpickled").exists()
    for source in Path(qt.__file__).parent.rglob("*.py"):
        text = source.read_text(encoding="utf8")
        assert not any(word in text for word in ("pickle", "torch.load", "torch.save", "np.load")), source.name


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        qt.History.load(tmp_path / "nowhere.json")


@pytest.mark.parametrize("task", [TASK, qt.PredictionTask(count=3, steps=20)])
def test_stored_networks_answer_as_they_did_in_training(task, tmp_path):
    """Run again, the answers give the losses that were reported: after every epoch, and from the file."""
    history = qt.train(task, ("S", "M"), (4, 2), 3, progress=False, snapshots=[0, 2])
    history.save(tmp_path / "run.json")
    history = qt.History.load(tmp_path / "run.json")
    states, targets = (part.to(torch.complex128) for part in task.data(fresh=True))

    def loss(epoch):
        answer = qt.outputs(history, states, epoch).double()
        assert answer.shape == (2, 2, len(states), task.outputs) and not answer.requires_grad
        psi = states
        if task.name == "prediction":
            psi = qt.normalize(torch.complex(answer[..., :20], answer[..., 20:]))
        for k in range(task.steps if task.name == "control" else 0):
            psi = qt.step(psi, answer[..., k], task.box)
        return qt.quantum_loss(psi, targets).mean(-1).numpy()

    np.testing.assert_allclose(loss(None), history.test[..., -1], rtol=1e-4)
    np.testing.assert_allclose(loss(2), history.test[..., 1], rtol=1e-4)
    assert (np.abs(loss(0) - history.test[..., 0]) > 1e-7).all() and np.array_equal(*loss(0))  # same first weights
    with pytest.raises(ValueError, match=r"no snapshot after epoch 1; there are \[0, 2\]"):
        qt.outputs(history, states, 1)


def test_snapshots_survive_an_interrupt_and_a_resume():
    whole = train(4, snapshots=[1, 3])
    resumed = train(4, resume=train(2, snapshots=[1, 3]), snapshots=[1, 3])
    assert whole.snapshots.keys() == resumed.snapshots.keys() == {1, 3}
    assert all(np.array_equal(whole.snapshots[epoch], resumed.snapshots[epoch]) for epoch in (1, 3))
