"""The monitor during training: what it counts, where it writes, and in the loops of the real packages."""

import json

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import initcore.torch as it  # noqa: E402


def model():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def batch(rows=32):
    g = torch.Generator().manual_seed(1)
    return torch.randn(rows, 6, generator=g), torch.randint(3, (rows,), generator=g)


def test_units_duplicates_and_flat_shares_are_counted(tmp_path):
    net, file = model(), tmp_path / "watch.jsonl"
    with torch.no_grad():
        net[0].weight[3] = net[0].weight[5]
        net[5].weight[:, 2] = net[5].weight[:, 6]
        net[3].bias.fill_(-40)
    said = []
    monitor = it.Monitor(net, every=2, probe=batch()[0], path=file, log=said.append)
    assert [monitor.step() is None for _ in range(4)] == [True, False, True, False]
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert rows == monitor.rows == said and [r["step"] for r in rows] == [2, 4]
    assert rows[0]["weights"]["0.weight"] == {"distinct": [7, 6], "of": [8, 6]}
    assert rows[0]["weights"]["5.weight"] == {"distinct": [3, 7], "of": [3, 8]}
    assert rows[0]["activations"]["4 (relu)"]["dead"] == 1.0
    assert rows[0]["duplicates"] == []
    with torch.no_grad():
        net[3].weight.copy_(torch.eye(8) + 1)
    twin = nn.ModuleDict({"a": net[3], "b": nn.Linear(8, 8)})
    twin["b"].load_state_dict(net[3].state_dict())
    assert it.Monitor(twin).look()["duplicates"] == [["a.weight", "b.weight"]]


def test_training_is_the_same_with_and_without_it():
    results = []
    for watched in (False, True):
        net = model()
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        monitor = it.Monitor(net, every=1, probe=batch()[0]) if watched else None
        x, y = batch()
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.cross_entropy(nn.functional.dropout(net(x), 0.2), y).backward()
            optimizer.step()
            if monitor is not None:
                monitor.step()
        results.append(net.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(results[0].values(), results[1].values()))


def test_tensorboard_gets_its_scalars(tmp_path):
    tensorboard = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from torch.utils.tensorboard import SummaryWriter
    with SummaryWriter(tmp_path) as writer:
        monitor = it.Monitor(model(), every=5, writer=writer)
        for _ in range(10):
            monitor.step()
    events = tensorboard.EventAccumulator(str(tmp_path))
    events.Reload()
    assert [e.step for e in events.Scalars("initcore/distinct")] == [5, 10]
    assert events.Scalars("initcore/distinct")[0].value == 1.0


@pytest.mark.filterwarnings("ignore")
def test_lightning_runs_it(tmp_path):
    lightning = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = model()

        def training_step(self, part, index):
            return nn.functional.cross_entropy(self.net(part[0]), part[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)
    module = Module()
    monitor = it.Monitor(module.net, every=2)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*batch(32)), batch_size=8)
    trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
                                enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
                                callbacks=[monitor.lightning()])
    trainer.fit(module, data)
    assert [row["step"] for row in monitor.rows] == [2, 4]


@pytest.mark.filterwarnings("ignore")
def test_transformers_runs_it(tmp_path):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = model()

        def forward(self, x, labels):
            return {"loss": nn.functional.cross_entropy(self.net(x), labels)}
    own, (x, y) = Own(), batch(32)
    monitor = it.Monitor(own, every=2)
    arguments = transformers.TrainingArguments(output_dir=tmp_path, per_device_train_batch_size=8, num_train_epochs=1,
                                               report_to=[], save_strategy="no", use_cpu=True, disable_tqdm=True)
    transformers.Trainer(own, arguments, train_dataset=[{"x": a, "labels": b} for a, b in zip(x, y)],
                         callbacks=[monitor.transformers()]).train()
    assert [row["step"] for row in monitor.rows] == [2, 4]
