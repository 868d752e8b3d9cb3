"""The demo as text: prose, a progress bar on a terminal, milestones and two tables everywhere; 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, Group
from rich.progress import BarColumn, Progress, TextColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from .. import rules
from ._story import View

WIDTH = 80
INTRO = (
    "A network learns by moving weights against a gradient. Three things can stop it before the first image is seen: "
    "units that start equal stay equal, sums that start large leave no slope, signals that start small die on the "
    "way. All three can be read off the weights. Below, {starts} starts of one network ({shape}, float32) on "
    "{train} handwritten digits, {test} more to test; each is judged from its weights and the inputs' mean and "
    "covariance, rehearsed by check on the training images, then trained twice for {epochs} epochs, by momentum and by "
    "Adam, and counted.")
GROWTH = ("Weights of standard deviation 1 and n inputs of size 1: the sum has standard deviation sqrt(n). "
          "Flat: units with less than 1% of their greatest slope left; drawn: counted on random numbers.")
LEGEND = ("f: foretold from weights and input moments. m: counted or measured. units: different ones per hidden "
          "layer, foretold for ever, counted bitwise after {epochs} epochs under both optimizers. flat: share with "
          "less than 1% of the slope; rms, typical: gradient factor per layer, root mean square and typical unit; "
          "means over hidden layers, before training. No layer's flat share was foretold worse than to {error:.3f}.")
GRADIENT = "|dW1|: norm of the loss gradient of the first layer's weights, at the start and after training."
LAST = ("Judge your own: initcore check WEIGHTS.npz --activation tanh. Start well: initcore.init.lecun_normal, "
        "he_normal, ... and initcore.gain(\"tanh\").")


def percent(share: float) -> str:
    """A share in percent to one place; a bare 0 only for exactly 0."""
    return "0%" if share == 0 else "<0.1%" if share < 0.0005 else f"{100 * share:.1f}%"


def short(value: float) -> str:
    """A number >= 0 in at most five characters."""
    if value == 0 or 0.01 <= value < 1000:
        return f"{value:.2g}" if value < 99.5 else f"{value:.0f}"
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def loss(value: float) -> str:
    """A loss, to three places while that says something."""
    return f"{value:.3f}" if 0.001 <= value < 100 else short(value)


def per_layer(values: Iterable[Any]) -> str:
    """One entry per hidden layer, shortened to one where all are the same."""
    items = [str(v) for v in values]
    return items[0] if len(set(items)) == 1 else " ".join(items)


def extent(values: Iterable[int]) -> str:
    """The values' range: "1" or "3-5"."""
    items = list(values)
    return str(min(items)) if min(items) == max(items) else f"{min(items)}-{max(items)}"


def geometric_mean(values: list[float]) -> float:
    """The factor per layer of a product over layers."""
    return 0.0 if min(values) <= 0 else math.exp(sum(map(math.log, values)) / len(values))


def _judged(optimizer: str, verdict: str) -> Text:
    """One optimizer's verdict in the colour of its severity."""
    bad, fit = verdict == "cannot learn", verdict == "fit to train"
    return Text(f"{optimizer}: {'NOT OK, ' * bad}{verdict}", style="red" if bad else "green" if fit else "yellow")


def _console() -> Console:
    """Of stdout; who wants no colours gets no bold either."""
    found = Console(highlight=False)
    return Console(highlight=False, color_system=None) if found.no_color else found


class TextView(View):
    """Prints the demo; the bar appears on a terminal only."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or _console()
        self.console.width = min(self.console.width, WIDTH)
        self.bar: Progress | None = None
        self.task: Any = None
        self.epochs = 0
        self.marks: set[int] = set()

    def _prose(self, text: str) -> None:
        self.console.print(Text(text))

    def begin(self, document: dict[str, Any]) -> None:
        """The introduction."""
        self.epochs = document["epochs"]
        self.marks = {1, 2, 5, max(1, self.epochs // 2), self.epochs}
        self.console.print(Rule("initcore demo: will it learn?"))
        self._prose(INTRO.format(starts=len(document["plan"]), shape="-".join(map(str, document["widths"])),
                                 train=document["train_images"], test=document["test_images"], epochs=self.epochs))

    def growth(self, rows: list[dict[str, float]]) -> None:
        """The table of fan-ins."""
        self.console.print(Rule("Why large weights are worse in wide layers"))
        self._prose(GROWTH)
        self._table(("inputs n", "std of sum", "drawn", "tanh flat", "drawn", "sigmoid flat"),
                    [(f"{row['fan_in']:.0f}", short(row["z_std"]), short(row["measured_z_std"]), percent(row["tanh"]),
                      percent(row["measured_tanh"]), percent(row["sigmoid"])) for row in rows], together=2)

    def forecast(self, entry: dict[str, Any], number: int, total: int) -> None:
        """Prose, verdict and forecast of one start; the bar opens."""
        p = entry["predicted"]
        self.console.print(Rule(f"{number}/{total}  {entry['name']}: {entry['weights']}"))
        self._prose(entry["why"])
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=9, style="bold")
        grid.add_column()
        grid.add_row("verdict", self._verdict(entry["verdict"]))
        grid.add_row("foretold", Text(
            f"units {per_layer(p['distinct_units'])}, effective {per_layer(p['effective_width'])}; "
            f"flat {per_layer(map(percent, p['saturated']))}; "
            f"gradient x {per_layer(map(short, p['gradient_factor']))} per layer, "
            f"typical unit x {per_layer(map(short, p['typical_factor']))}"))
        grid.add_row("with data", Text("; ").join([_judged(*one) for one in entry["judged"].items()]))
        self.console.print(grid)
        if self.console.is_terminal:
            self.bar = Progress(TextColumn("{task.description:<9}"), BarColumn(bar_width=18),
                                TextColumn("{task.fields[state]}"), console=self.console, transient=True)
            self.bar.start()
            self.task = self.bar.add_task("training", total=2 * self.epochs, state="")

    def _verdict(self, verdict: list[dict[str, Any]]) -> Group | Text:
        if not verdict:
            return Text("no finding: this can learn", style="green")
        lines: dict[tuple[str, str], list[int | None]] = {}
        for found in verdict:
            lines.setdefault((found["severity"], found["rule"]), []).append(found["layer"])
        return Group(*[Text(f"{severity} {rule} ({rules.get(rule).title}), {_places(where)}",
                            style="red" if severity == "fail" else "yellow")
                       for (severity, rule), where in lines.items()])

    def epoch(self, entry: dict[str, Any], optimizer: str, record: dict[str, Any]) -> None:
        """Move the bar; print the milestones."""
        state = (f"epoch {record['epoch']:>2}  loss {loss(record['loss']):<6}  "
                 f"right {percent(record['test_accuracy']):>5}  units {per_layer(record['distinct_units'])}")
        if self.bar is not None:
            self.bar.update(self.task, advance=1, description=optimizer, state=state)
        if record["epoch"] in self.marks:
            self.console.print(Text(f"{optimizer if record['epoch'] == 1 else '':<9} {state}"))

    def outcome(self, entry: dict[str, Any]) -> None:
        """Close the bar and say in one sentence what became of the forecast."""
        self.close()
        runs = entry["runs"]
        units = extent(n for run in runs.values() for n in run["distinct_units"])
        self.console.print(Text(
            f"outcome   units {units} in a layer; flat {per_layer(map(percent, entry['measured']['saturated']))}; "
            f"right: " + ", ".join(f"{percent(run['test_accuracy'])} ({name})" for name, run in runs.items())))

    def close(self) -> None:
        """Take the bar away, also when interrupted."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def end(self, document: dict[str, Any]) -> None:
        """The tables that set forecast beside outcome."""
        self.console.print(Rule("Foretold and found"))
        rows = []
        for e in document["starts"]:
            p, m = e["predicted"], e["measured"]
            cells = [extent(p["distinct_units"]),
                     extent(n for run in e["runs"].values() for n in run["distinct_units"])]
            for name, mean, show in (("saturated", _mean, percent), ("gradient_factor", geometric_mean, short),
                                     ("typical_factor", geometric_mean, short)):
                cells += [show(mean(p[name])), show(mean(m[name]))]
            rows.append((e["name"], *cells))
        self._table(("start", "units f", "m", "flat f", "m", "rms f", "m", "typical f", "m"), rows, together=2)
        self._prose(LEGEND.format(epochs=document["epochs"],
                                  error=max(e["saturation_error"] for e in document["starts"])))
        self.console.print(Rule("What training made of it"))
        names = list(document["optimizers"])
        per_run = [f"{n if k == 0 or self.console.width < WIDTH else ''}\n{what}" for n in names
                   for k, what in enumerate(("|dW1|", "loss", "train", "test"))]
        rows = []
        for e in document["starts"]:
            runs = [e["runs"][n] for n in names]
            rows.append((e["name"], short(runs[0]["first_gradient_norm_at_start"]), *[c for r in runs for c in (
                short(r["first_gradient_norm"]), loss(r["loss"]), percent(r["train_accuracy"]),
                percent(r["test_accuracy"]))]))
        self._table(("\nstart", "start\n|dW1|", *per_run), rows)
        self._prose(GRADIENT)
        self.console.print(Rule("What it comes to"))
        for line in _summary(document):
            self._prose(line)
        self._prose(LAST)

    def _table(self, headers: Sequence[str], rows: Sequence[Sequence[str]], together: int = 1) -> None:
        """Print a table; on a narrow terminal as several, one below the other, each with the first column.

        together : columns that stay side by side, counted from the second.
        """
        columns = list(zip(headers, *rows))
        widths = [1 + max(len(line) for cell in column for line in cell.split("\n")) for column in columns]
        parts: list[list[int]] = [[]]
        for k in range(1, len(columns), together):
            group = list(range(k, min(k + together, len(columns))))
            if parts[-1] and widths[0] + sum(widths[j] for j in parts[-1] + group) > self.console.width + 1:
                parts.append([])
            parts[-1] += group
        for part in parts:
            table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
            for j in (0, *part):
                right = j or headers[0] == "inputs n"
                table.add_column(headers[j], justify="right" if right else "left", no_wrap=True)
            for row in rows:
                table.add_row(row[0], *[row[j] for j in part])
            self.console.print(table)


def _places(layers: list[int | None]) -> str:
    numbers = [str(layer) for layer in layers if layer is not None]
    return f"layer{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}" if numbers else "whole network"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _summary(document: dict[str, Any]) -> list[str]:
    """A sentence for each kind of start, sorted by the forecast alone, ended by the outcome."""
    steps = document["epochs"] * -(-document["train_images"] // document["batch_size"])
    kinds: dict[str, list[dict[str, Any]]] = {}
    for e in document["starts"]:
        p = e["predicted"]
        kind = ("tied" if max(p["distinct_units"]) == 1 else "flat" if _mean(p["saturated"]) > 0.2
                else "starved" if geometric_mean(p["gradient_factor"]) < 0.1 else "good")
        kinds.setdefault(kind, []).append(e)
    lines = []
    for kind, members in kinds.items():
        runs = [run for e in members for run in e["runs"].values()]
        right = sorted(run["test_accuracy"] for run in runs)
        units = extent(n for run in runs for n in run["distinct_units"])
        lines.append({"tied": f"Foretold tied: {units} unit a layer after {steps} steps, bit for bit",
                      "flat": "Foretold flat: learning is left to the last layer and the few units with a slope",
                      "starved": "Foretold starved: small gradients cost momentum its time, Adam divides by them",
                      "good": "Foretold good"}[kind]
                     + f"; {percent(right[0])} to {percent(right[-1])} of the test images right.")
    return lines
