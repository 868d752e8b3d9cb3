"""A file's verdict: as a network where every matrix belongs to it, tensor by tensor where not, and which share was.

Nothing is invented: a chain of dense layers is read only where nothing else stands in the file, or where ``order``
says which layers make it; what is left is judged by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .. import rules
from .._checks import flag, one_of
from .._types import Array
from ..errors import ArgumentError, FileFormatError
from ..rules import Finding, nodes
from ..rules import tensors as tensor_rules
from ..rules._tensor_facts import TensorContext, TensorFacts
from ..verdict import check as check_network
from ..verdict._baseline import fingerprints
from . import _chains, _naming, _roles
from ._open import open_weights
from ._report import Coverage, FileReport
from ._scan import scan_all
from ._tensor import Tensor, Weights
from ._text import shown_name
from ._wiring import wiring
from ._words import in_words, words_of

_LARGEST = 1 << 28          # parameters of a network that is read whole without being asked for


class _Part(NamedTuple):
    """A tensor with what it is and how it is judged: "network", "tensor", "none" or "" (counts for nothing)."""

    tensor: Tensor
    role: str
    way: str


def check_file(path: Any, *, activation: str | Sequence[str] | None = None, output_activation: str = "identity",
               layout: str | None = None, order: Sequence[str] | None = None, data: Any = None,
               loss: str | None = None, optimizer: str = "sgd", select: Any = None, ignore: Any = None,
               fail_level: str = "fail", thresholds: Any = None, baseline: Any = None, partial: bool = False,
               folded_bias: bool = False, progress: Callable[[str], None] | None = None, **training: Any) -> FileReport:
    """The verdict on a file or folder of weights.

    Parameters
    ----------
    path : what :func:`initcore.files.open_weights` reads.
    activation, output_activation, layout, order : of the network, where the file holds one.
    data : .npz with inputs x (and targets y), or .npy with x, for the network.
    loss, optimizer, select, ignore, fail_level, thresholds, baseline : as for :func:`initcore.check`.
    folded_bias : the last row (or column) of every matrix of the network is its bias.
    partial : be content with any share of the parameters judged.
    progress : told what is being read.
    training : l2, l1, clip_value, hidden_dropout, stage, as for :func:`initcore.check`; the network's only.

    Returns
    -------
    FileReport : ``.ok``, ``.findings``, ``.coverage``, ``.network`` (the network's own report, or None), ``str()``,
        ``.to_json()``, ``.to_sarif()``.

    >>> import numpy as np, tempfile, os
    >>> file = os.path.join(tempfile.mkdtemp(), "net.npz")
    >>> np.savez(file, **{"conv.weight": np.random.default_rng(0).normal(size=(8, 3, 3, 3)), "conv.bias": np.zeros(8)})
    >>> report = check_file(file)
    >>> report.ok, report.coverage.network, report.coverage.tensors
    (True, 0.0, 1.0)
    """
    one_of("fail_level", fail_level, rules.SEVERITIES)
    partial, folded_bias = flag("partial", partial), flag("folded_bias", folded_bias)
    active, numbers, known = rules.chosen(select, ignore), rules.thresholds(thresholds), fingerprints(baseline)
    weights = open_weights(path)
    words = words_of(weights)
    wired = None if order is not None or folded_bias else wiring(weights)
    parts, notes = _parts(weights, {} if wired is None else wired.roles), list(weights.notes)
    loaded, why = (None, "") if wired is not None else _network(
        weights, parts, activation=activation, output_activation=output_activation, layout=layout, order=order,
        folded_bias=folded_bias)
    report: Any = None
    if wired is not None:
        loaded, dropped = wired.chain
        notes += _told(activation, layout)
        training["hidden_dropout"] = training.get("hidden_dropout", False) or dropped
    if loaded is not None:
        x, y = (None, None) if data is None else _chains.load_data(data, loaded.network)
        report = check_network(loaded.network, x, y, loss=loss, optimizer=optimizer, select=select, ignore=ignore,
                               fail_level=fail_level, thresholds=thresholds, **training)
        notes += [note for note in loaded.notes if not note.startswith("Not part of")]
        inside = {*loaded.tensors, *loaded.biases}
        parts = [part._replace(way="network") if part.tensor.name in inside else part for part in parts]
    elif wired is not None:
        report = wired.report(optimizer, active, numbers, fail_level=fail_level, loss=loss, data=data,
                              words=words, tell=progress or (lambda what: None), **training)
        parts = [part._replace(way="network") if part.way == "tensor" and part.tensor.name in wired.covered else part
                 for part in parts]
    else:
        _refuse_network_options(why, data=data)
        notes.append(f"Not read as a network, so tensor by tensor: {why} --order NAME,NAME,... names the dense "
                     "layers of a network in it, first to last.")
    alone = [part for part in parts if part.way == "tensor" or (part.way == "network" and loaded is None)]
    facts = scan_all([(part.tensor, part.role) for part in alone], progress=progress)
    normed = any(part.role == "norm" for part in parts) or (wired is not None and wired.normed)
    found = tensor_rules.judge(TensorContext(tuple(facts), numbers, normed), active)
    if report is not None and loaded is None:
        inside = {part.tensor.name for part in parts if part.way == "network"}
        found = [f for f in found if not (f.tensor in inside and nodes.knows_better(f))]
    notes += _left_notes(parts, report is not None)
    return FileReport(shown_name(path), weights.format, report, loaded, found, tuple(facts), _coverage(parts), notes,
                      fail_level=fail_level, known=known, partial=partial,
                      told=lambda f: f if loaded is None else in_words(f, words, loaded.tensors))


def judge_arrays(arrays: Mapping[str, Array], active: frozenset[str], numbers: dict[str, dict[str, float]],
                 normed: bool = False) -> list[Finding]:
    """What the rules for tensors find in arrays in memory, by their names.

    active : rules, of :func:`initcore.rules.chosen`. numbers : :func:`initcore.rules.thresholds`. normed : is there a
    normalisation among the layers?

    >>> import numpy as np
    >>> found = judge_arrays({"fc.weight": np.ones((4, 3), np.float32)}, rules.chosen(), rules.thresholds())
    >>> found[0].rule, found[0].tensor
    ('TEN802', 'fc.weight')
    """
    found = [Tensor.of(name, a) for name, a in arrays.items()]
    facts = scan_all([(t, _roles.role_of(t)) for t in found])
    return tensor_rules.judge(TensorContext(tuple(facts), numbers, normed), active)


def _told(activation: Any, layout: Any) -> list[str]:
    """What the file says itself needs no option."""
    given = [f"--{word}" for word, value in (("activation", activation), ("layout", layout)) if value is not None]
    return [f"The file tells its wiring: {' and '.join(given)} changed nothing."] if given else []


def _parts(weights: Weights, used: Mapping[str, str]) -> list[_Part]:
    """Every tensor with its role; two names of one memory count once, and a note names them.

    used : what the graph in the file makes of a tensor, which says more than its name.
    """
    roles = {name: _roles.role_of(t) for name, t in weights.tensors.items()}
    if "ema" in roles.values() and not any(t.ndim >= 2 and roles[name] not in _roles.BESIDE
                                           for name, t in weights.tensors.items()):
        roles = {name: _roles.role_of(t, averaged=True) for name, t in weights.tensors.items()}
        weights.notes.append("It holds no weights but an averaged copy (EMA), which is what is judged.")
    roles.update({name: used[name] for name, role in roles.items() if role in ("dense", "other", "statistic", "conv")
                  and name in used})
    stems: dict[str, list[Tensor]] = {}
    for tensor in weights.tensors.values():
        found = _naming.parse(tensor.name)
        if found is not None and tensor.ndim == 1 and tensor.size > 1:
            stems.setdefault(found[0], []).append(tensor)
    for pair in stems.values():                        # weight (n,) and bias (n,): a normalisation, whatever its name
        if len(pair) == 2 and pair[0].size == pair[1].size and weights.format != "npy":
            roles.update({t.name: "norm" for t in pair if roles[t.name] == "dense"})
    seen: dict[Any, str] = {}
    out, same = [], []
    for name, tensor in weights.tensors.items():
        first = seen.setdefault(tensor.place, name) if tensor.place is not None and tensor.size else name
        if first != name:
            same.append((first, name))
            out.append(_Part(tensor, roles[name], ""))
        elif not _roles.is_parameter(tensor, roles[name]):
            out.append(_Part(tensor, roles[name], ""))
        else:
            out.append(_Part(tensor, roles[name], "tensor" if tensor.judged else "none"))
    if same:
        weights.notes.append(f"{len(same)} name(s) share another's memory: {same[0][1]!r} is {same[0][0]!r}.")
    return out


def _network(weights: Weights, parts: list[_Part], **options: Any) -> tuple[_chains.Loaded | None, str]:
    """The network in the file, or why there is none."""
    beside = () if options["order"] is not None else _roles.BESIDE
    tensors = {part.tensor.name: part.tensor for part in parts if part.role not in beside}
    if not any(part.way == "tensor" and part.tensor.ndim >= 2 for part in parts):
        _no_matrices(weights)
    if options["order"] is None:
        why = _roles.why_no_chain(part.tensor._replace_role(part.role) for part in parts)
        if why is not None:
            return None, why
        if sum(tensor.size for tensor in tensors.values()) > _LARGEST:
            return None, f"It has more than {_LARGEST >> 20} M parameters, which a proof would hold in memory at once."
    try:
        return _chains.network_from_arrays(tensors, source=weights.source, **options), ""
    except _naming.NoChain as error:
        if options["order"] is not None:
            raise
        return None, str(error).removeprefix(f"{weights.source}: ")


def _no_matrices(weights: Weights) -> None:
    unread = [t for t in weights.tensors.values() if t.ndim >= 2 and not t.judged]
    if unread:
        raise FileFormatError(f"{weights.source}: {unread[0].name!r} holds {unread[0].dtype}, and no matrix in it "
                              "holds what is judged (float16, bfloat16, float32 or float64); save it with "
                              ".astype('float32').")
    raise FileFormatError(f"{weights.source} has no weight matrices: it holds {_naming.listing(weights.tensors)}. "
                          "Names such as 'fc1.weight', 'dense_1/kernel' or 'W1' are understood.")


def _refuse_network_options(why: str, **given: Any) -> None:
    """Options that only a network can answer are no use here, and saying nothing would look as if they had been."""
    if given["data"] is not None:
        raise ArgumentError(f"--data needs a network, and the file is not read as one: {why} Name its layers with "
                            "--order, or leave --data out.")


def _left_notes(parts: list[_Part], network: bool) -> list[str]:
    notes = []
    alone = [part for part in parts if part.way == "tensor"]
    if network and alone:
        notes.append(f"Judged by themselves, not as part of the network: {_roles_listing(alone)}.")
    unread = [part.tensor for part in parts if part.way == "none"]
    if unread:
        kinds = ", ".join(sorted({t.dtype for t in unread}))
        notes.append(f"Not judged ({kinds}): {_naming.listing(t.name for t in unread)}.")
    uncounted = [part.tensor.name for part in parts if not part.way]
    if uncounted:
        notes.append(f"Counted for nothing (counters, masks, copies): {_naming.listing(uncounted)}.")
    types = sorted({part.tensor.dtype for part in parts if part.way in ("tensor", "network") and part.tensor.ndim >= 2})
    if len(types) > 1:
        notes.append(f"Matrices of different types: {', '.join(types)}.")
    return notes


def _roles_listing(parts: list[_Part]) -> str:
    by: dict[str, list[str]] = {}
    for part in parts:
        by.setdefault(part.role, []).append(part.tensor.name)
    return "; ".join(f"{role} {_naming.listing(names, most=3)}" for role, names in by.items())


def _coverage(parts: list[_Part]) -> Coverage:
    sizes = {way: sum(p.tensor.size for p in parts if p.way == way) for way in ("network", "tensor", "none")}
    total = sum(sizes.values())
    share = {way: size / total if total else 0.0 for way, size in sizes.items()}
    return Coverage(total, share["network"], share["tensor"], share["none"])


__all__ = ["TensorFacts", "check_file", "judge_arrays"]
