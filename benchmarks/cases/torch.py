"""initcore.torch against torch.nn.init on the CPU, one thread each; a model's own initialisation; cost of seeded."""

import math
import time

import initcore as ic

from .._case import case


def _fill(name, shape, target, rounds=10, **given):
    @case("torch", f"it.init.{name} {shape[0]}x{shape[1]} f32", target={"torch": target}, rounds=rounds)
    def _(c):
        with c.optional("torch") as torch:
            torch.set_num_threads(1)
            import initcore.torch as it
            w = torch.nn.Parameter(torch.empty(shape))
            ours, theirs = getattr(it.init, name), getattr(torch.nn.init, name)
            c.ours = lambda: ours(w, rng=0, **given)
            c.rival("torch", lambda: theirs(w, **given))

            def check():
                """A spread is the rival's; a column drawn alone has the same bits."""
                ours(w, rng=0, **given)
                spread, column = float(w.detach().std()), w.detach()[:, 7].clone()
                assert abs(float(theirs(w, **given).detach().std()) / spread - 1) < 0.01
                if name == "normal_":
                    alone = ic.random.normal(shape[0], rng=0, start=7, strides=(shape[1],), **given)
                    assert (column.numpy() == alone).all()
            c.check = check
        _absent(c)


def _absent(c):
    """Without torch there is nothing to time: an empty call, so that the case says what is missing."""
    c.ours = c.ours or (lambda: None)
    c.check = c.check or (lambda: None)


_fill("normal_", (4096, 4096), 3.0, std=0.02)
_fill("trunc_normal_", (4096, 4096), 20.0, rounds=4, std=0.02, a=-0.04, b=0.04)
_fill("kaiming_uniform_", (4096, 4096), 4.0, a=math.sqrt(5))
_fill("orthogonal_", (1024, 1024), 2.5, rounds=4)


@case("torch", "it.init.normal_ 4096x4096 f32, 2 threads", target={"1 thread": 1.7}, threads=2, rounds=10)
def _threads(c):
    with c.optional("torch") as torch:
        w = torch.empty(4096, 4096)
        import initcore.torch as it

        def run(n):
            torch.set_num_threads(n)
            return it.init.normal_(w, rng=0)

        c.ours = lambda: run(2)
        c.rival("1 thread", lambda: run(1))

        def check():
            assert torch.equal(run(2).clone(), run(1))
        c.check = check
    _absent(c)


def gpt2(torch, width=768, depth=12, vocabulary=50257, context=1024):
    """The 124-million-parameter GPT-2 as modules, with its own initialisation as method ``init``."""
    nn = torch.nn

    class GPT2(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
            self.h = nn.ModuleList(nn.ModuleDict({
                "ln_1": nn.LayerNorm(width), "c_attn": nn.Linear(width, 3 * width), "c_proj": nn.Linear(width, width),
                "ln_2": nn.LayerNorm(width), "c_fc": nn.Linear(width, 4 * width),
                "mlp_proj": nn.ModuleDict({"c_proj": nn.Linear(4 * width, width)})}) for _ in range(depth))
            self.ln_f = nn.LayerNorm(width)

        def init(self):
            for name, module in self.named_modules():
                if isinstance(module, (nn.Linear, nn.Embedding)):
                    std = 0.02 / math.sqrt(2 * depth) if name.endswith("c_proj") else 0.02
                    nn.init.normal_(module.weight, std=std)
                elif isinstance(module, nn.LayerNorm):
                    nn.init.ones_(module.weight)
                if getattr(module, "bias", None) is not None:
                    nn.init.zeros_(module.bias)

    with torch.device("meta"):
        net = GPT2()
    return net.to_empty(device="cpu")


@case("torch", "it.initialize a GPT-2 of 124 million parameters", target={"the model's own": 4.0}, rounds=4)
def _gpt2(c):
    with c.optional("torch") as torch:
        torch.set_num_threads(1)
        import initcore.torch as it
        net = gpt2(torch)
        c.ours = lambda: it.initialize(net, recipe="gpt2", rng=0)
        c.rival("the model's own", net.init)

        def check():
            assert 124e6 < sum(p.numel() for p in net.parameters()) < 125e6
            it.initialize(net, recipe="gpt2", rng=0)
            ours = {name: float(p.detach().std()) for name, p in net.named_parameters() if p.ndim > 1}
            net.init()
            for name, std in ours.items():
                assert abs(float(net.get_parameter(name).detach().std()) / std - 1) < 0.01, name
        c.check = check
    _absent(c)


@case("torch", "it.seeded: 2000 small parameters, over the code's own", target={"20 us a parameter": 1.0},
      at_most=True, rounds=10)
def _overhead(c):
    """seeded's time less the code's own, against 20 microseconds a parameter spun away."""
    with c.optional("torch") as torch:
        layers = torch.nn.ModuleList(torch.nn.Linear(8, 8) for _ in range(1000))
        import initcore.torch as it

        def reset():
            for layer in layers:
                layer.reset_parameters()

        def seeded():
            with it.seeded(layers, 0):
                reset()

        def check():
            seeded()
            limit = 8 ** -0.5
            want = ic.init.uniform((8, 8), low=-limit, high=limit, rng=ic.Key(0).child("3.weight"))
            assert abs(layers[3].weight.detach().numpy() - want).max() < 1e-7
        c.check = check

        def allowed():
            reset()
            end = time.perf_counter() + 2000 * 20e-6
            while time.perf_counter() < end:
                pass

        c.ours = seeded
        c.rival("20 us a parameter", allowed)
    _absent(c)
