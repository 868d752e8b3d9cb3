"""The demo's second story: two processes, one seed, equal halves; and what a proof, training and names say to it.

Design
A. Real ranks: two gloo processes of PyTorch's FSDP2 on the CPU, float64 so that rounding does not part what is tied.
   ``python -m initcore.demo._shards RANK WORLD STORE OUT`` is one of them; rank 0 writes weights and losses.
B. Two networks on the digits: a plain chain, and one whose output weights start at zero, as many do. Stock PyTorch
   draws equal shards; the prover says from the weights alone which units are one for ever and which only start
   alike; then both are trained and counted.
C. The same with ``initcore.torch.seeded``, on two ranks and on one: the same numbers.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .. import symmetry
from ..data import split_digits
from ..errors import InitcoreError, MissingExtraError, needs
from ..network import Dense, Network

WIDTHS = (64, 32, 32, 10)
STEPS = 40
RATE = 0.5
STARTS = ("plain", "zero head")


def run(tell: Any = print) -> dict[str, Any]:
    """Tell the story by ``tell(text)``; a document of plain numbers.

    Raises MissingExtraError without PyTorch.
    """
    needs("torch", "torch", "the story of the shards")
    import torch
    import torch.distributed
    if not torch.distributed.is_available():
        raise MissingExtraError("the story of the shards needs a PyTorch with torch.distributed.")
    tell(f"Two processes hold one network, {'-'.join(map(str, WIDTHS))}, tanh, in halves (FSDP2 on the CPU, float64). "
         "Both call torch.manual_seed(0) and reset_parameters, as tutorials have it.")
    two, one = _ranks(2), _ranks(1)
    document: dict[str, Any] = {"schema": "initcore-shards-1", "widths": list(WIDTHS), "steps": STEPS, "starts": []}
    for start in STARTS:
        stock, named = _judged(two, f"stock {start}"), _judged(two, f"named {start}")
        losses = [found[f"named {start} loss"] for found in (two, one)]
        named["loss_differs_by"] = float(np.abs(losses[0] - losses[1]).max())
        entry: dict[str, Any] = {"name": start, "stock": stock, "seeded": named}
        document["starts"].append(entry)
        _tell(tell, start, entry)
    same = all(np.array_equal(two[k], one[k]) for k in two if k.startswith("named") and "before" in k)
    document["same_bits_on_one_and_two"] = same
    tell(f"With names, two ranks and one process start from {'the same bits' if same else 'OTHER BITS'}: it is one "
         "network, however it is cut.")
    return document


def _tell(tell: Any, start: str, entry: dict[str, Any]) -> None:
    stock, named = entry["stock"], entry["seeded"]
    head = "with output weights that start at zero" if start == "zero head" else "as PyTorch makes it"
    tell(f"\n{start}: the network {head}.")
    tell(f"  one seed    halves equal, bit for bit: {'yes' if stock['halves_equal'] else 'no'}")
    for layer in stock["layers"]:
        tell(f"  proof       layer {layer['layer']}, of {layer['units']} units: {layer['tied']} tied for ever, "
             f"{layer['alike']} only start alike")
        tell(f"  trained     different units: {layer['distinct_before']} before, "
             f"{layer['distinct_after']} after {STEPS} steps")
    tell(f"  by names    different units {[layer['distinct_after'] for layer in named['layers']]}, tied "
         f"{sum(layer['tied'] for layer in named['layers'])}")
    tell(f"  loss        one seed {stock['loss']:.4f}; by names {named['loss']:.4f}, in one process the same to "
         f"{named['loss_differs_by']:.0e}")


def _judged(found: dict[str, np.ndarray], start: str) -> dict[str, Any]:
    """What the prover says of the weights before training, and what training did."""
    n = len(WIDTHS) - 1
    before = [(found[f"{start} before {k} w"], found[f"{start} before {k} b"]) for k in range(n)]
    after = [(found[f"{start} after {k} w"], found[f"{start} after {k} b"]) for k in range(n)]
    net = Network([Dense(np.ascontiguousarray(w.T), b, "tanh" if k < n - 1 else "identity")
                   for k, (w, b) in enumerate(before)])
    proof = symmetry.analyze(net)
    halves = [np.array_equal(w[:len(w) // 2], w[len(w) // 2:]) for w, _ in before[:-1]]
    layers = [{"layer": k + 1, "units": layer.n_units, "tied": sum(s == "tied" for s in layer.status),
               "alike": sum(map(len, layer.forward_duplicates)), "effective_width": layer.effective_width,
               "distinct_before": _distinct(before[k]), "distinct_after": _distinct(after[k])}
              for k, layer in enumerate(proof.layers)]
    return {"halves_equal": all(halves), "layers": layers, "loss": float(found[f"{start} loss"][-1])}


def _distinct(layer: tuple[np.ndarray, np.ndarray]) -> int:
    """Number of units that differ in their incoming weights by more than rounding makes."""
    rows = np.column_stack(layer)
    return len(np.unique(np.round(rows / 1e-9).astype(np.int64), axis=0))


def _ranks(world: int) -> dict[str, np.ndarray]:
    """Start the processes and read what rank 0 wrote."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "weights.npz"
        logs = [Path(folder) / f"log{rank}" for rank in range(world)]
        ranks = []
        try:
            for rank, log in enumerate(logs):
                with log.open("w") as file:
                    ranks.append(subprocess.Popen([sys.executable, "-m", __name__, str(rank), str(world),
                                                   str(Path(folder) / "store"), str(out)], stdout=file, stderr=file))
            failed = [log for rank, log in zip(ranks, logs) if rank.wait(timeout=300)]
        finally:
            for process in ranks:
                process.kill()
                process.wait()
        if failed or not out.exists():
            last = (failed or logs)[0].read_text().strip().splitlines()[-1:]
            raise InitcoreError(f"a process of the story failed: {''.join(last)}")
        with np.load(out) as arrays:
            return dict(arrays)


def _rank(rank: int, world: int, store: str, out: str) -> None:
    """One of the processes: both networks, started both ways and trained."""
    import torch
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
    mesh = init_device_mesh("cpu", (world,))
    found: dict[str, np.ndarray] = {}
    for how in ("stock", "named"):
        for start in STARTS:
            _train(found, f"{how} {start}", mesh)
    if rank == 0:
        np.savez(out, **found)      # type: ignore[arg-type]
    dist.destroy_process_group()


def _train(found: dict[str, np.ndarray], what: str, mesh: Any) -> None:
    """One network from its start on; its weights before and after, and every loss."""
    import torch
    from torch.distributed.fsdp import fully_shard

    from .. import torch as it

    layers = [torch.nn.Linear(a, b, dtype=torch.float64) for a, b in zip(WIDTHS, WIDTHS[1:])]
    net = torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1], torch.nn.Tanh(), layers[2])
    fully_shard(net, mesh=mesh)
    if what.startswith("stock"):
        torch.manual_seed(0)
        _reset(layers)
    else:
        with it.seeded(net, 0):
            _reset(layers)
    if what.endswith("zero head"):
        torch.nn.init.zeros_(layers[-1].weight)
    _keep(found, f"{what} before", layers)
    digits = split_digits()
    x, y = torch.from_numpy(digits.x_train).double(), torch.from_numpy(digits.y_train)
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE)
    losses = []
    for _ in range(STEPS):
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    found[f"{what} loss"] = np.array(losses)
    _keep(found, f"{what} after", layers)


def _reset(layers: Any) -> None:
    for layer in layers:
        layer.reset_parameters()


def _keep(found: dict[str, np.ndarray], when: str, layers: Any) -> None:
    for k, layer in enumerate(layers):
        found[f"{when} {k} w"] = layer.weight.full_tensor().detach().numpy().copy()
        found[f"{when} {k} b"] = layer.bias.full_tensor().detach().numpy().copy()


if __name__ == "__main__":
    _rank(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
