"""The sequence models of :mod:`torch_families`: transformers written by hand, recurrent ones, experts, adapters."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch_families import family

WIDTH, HEADS, WORDS, TIME = 12, 2, 11, 5


def words(batch=3, time=TIME):
    return torch.randint(WORDS, (batch, time))


class Gpt(nn.Module):
    """GPT-2 as in nanoGPT: packed queries, keys and values, learnt positions, a head tied to the embedding."""

    def __init__(self, layers=2):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(WORDS, WIDTH), nn.Embedding(8, WIDTH)
        self.blocks = nn.ModuleList(nn.ModuleDict({
            "ln1": nn.LayerNorm(WIDTH), "qkv": nn.Linear(WIDTH, 3 * WIDTH), "out": nn.Linear(WIDTH, WIDTH),
            "ln2": nn.LayerNorm(WIDTH), "up": nn.Linear(WIDTH, 4 * WIDTH), "down": nn.Linear(4 * WIDTH, WIDTH)})
            for _ in range(layers))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, WORDS, bias=False)
        self.head.weight = self.wte.weight
        self.drop = nn.Dropout(0.1)

    def forward(self, tokens):
        batch, time = tokens.shape
        x = self.drop(self.wte(tokens) + self.wpe(torch.arange(time, device=tokens.device)))
        for b in self.blocks:
            q, k, v = b["qkv"](b["ln1"](x)).split(WIDTH, dim=2)
            q, k, v = (t.view(batch, time, HEADS, WIDTH // HEADS).transpose(1, 2) for t in (q, k, v))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.drop(b["out"](y.transpose(1, 2).contiguous().view(batch, time, WIDTH)))
            x = x + self.drop(b["down"](F.gelu(b["up"](b["ln2"](x)), approximate="tanh")))
        return self.head(self.norm(x))


@family
def gpt():
    return Gpt(), (words(),)


class RmsNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


def rotate(x, cos, sin):
    """Rotary positions: the pairs are (i, i + half)."""
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-b, a), -1) * sin


class Llama(nn.Module):
    """Grouped queries (4 heads on 2), rotary positions from a buffer, SwiGLU, RMS norms written out."""

    def __init__(self, layers=2, heads=4, groups=2, channels=4, hidden=18):
        super().__init__()
        self.heads, self.groups, self.channels = heads, groups, channels
        self.embed = nn.Embedding(WORDS, 14)
        self.register_buffer("frequency", 10000.0 ** (-torch.arange(0, channels, 2) / channels), persistent=False)

        def linear(a, b):
            return nn.Linear(a, b, bias=False)
        self.blocks = nn.ModuleList(nn.ModuleDict({
            "norm1": RmsNorm(14), "q": linear(14, heads * channels), "k": linear(14, groups * channels),
            "v": linear(14, groups * channels), "o": linear(heads * channels, 14), "norm2": RmsNorm(14),
            "gate": linear(14, hidden), "up": linear(14, hidden), "down": linear(hidden, 14)}) for _ in range(layers))
        self.norm, self.head = nn.RMSNorm(14), linear(14, WORDS)

    def attend(self, b, x, cos, sin):
        batch, time, _ = x.shape
        q = rotate(b["q"](x).view(batch, time, self.heads, self.channels).transpose(1, 2), cos, sin)
        k = rotate(b["k"](x).view(batch, time, self.groups, self.channels).transpose(1, 2), cos, sin)
        v = b["v"](x).view(batch, time, self.groups, self.channels).transpose(1, 2)
        k, v = (t.repeat_interleave(self.heads // self.groups, dim=1) for t in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return b["o"](y.transpose(1, 2).reshape(batch, time, -1))

    def forward(self, tokens):
        x = self.embed(tokens)
        with torch.no_grad():
            angle = torch.arange(tokens.shape[1], device=tokens.device)[:, None] * self.frequency
            angle = torch.cat((angle, angle), -1)
            cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        for b in self.blocks:
            x = x + self.attend(b, b["norm1"](x), cos, sin)
            h = b["norm2"](x)
            x = x + b["down"](F.silu(b["gate"](h)) * b["up"](h))
        return self.head(self.norm(x))


@family
def llama():
    return Llama(), (words(),)


class Attention(nn.Module):
    """Written out with matmul and softmax; from another sequence where one is given."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x, memory=None, mask=None, bias=0.0):
        memory = x if memory is None else memory
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
                   for t in (self.q(x), self.k(memory), self.v(memory)))
        score = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + bias
        if mask is not None:
            score = score.masked_fill(mask, float("-inf"))
        return self.o((score.softmax(-1) @ v).transpose(1, 2).flatten(2))


class Bert(nn.Module):
    """Post-norm, three tables of embeddings, a pooler on the first token and a head on every one."""

    def __init__(self, layers=2):
        super().__init__()
        self.word, self.position = nn.Embedding(WORDS, WIDTH, 0), nn.Embedding(8, WIDTH)
        self.kind = nn.Embedding(2, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=1e-12)
        self.layers = nn.ModuleList(nn.ModuleDict({
            "attend": Attention(WIDTH, HEADS), "norm1": nn.LayerNorm(WIDTH), "up": nn.Linear(WIDTH, 16),
            "down": nn.Linear(16, WIDTH), "norm2": nn.LayerNorm(WIDTH)}) for _ in range(layers))
        self.pooler, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WORDS)
        self.register_buffer("ids", torch.arange(8)[None])

    def forward(self, tokens, mask):
        x = self.word(tokens) + self.position(self.ids[:, :tokens.shape[1]]) + self.kind(torch.zeros_like(tokens))
        x = self.norm(x)
        hidden = (mask == 0)[:, None, None, :]
        for b in self.layers:
            x = b["norm1"](x + b["attend"](x, mask=hidden))
            x = b["norm2"](x + b["down"](F.gelu(b["up"](x))))
        return torch.tanh(self.pooler(x[:, 0])), self.head(x)


@family
def bert():
    mask = torch.ones(3, TIME, dtype=torch.long)
    mask[1, 3:] = 0
    return Bert(), (words(), mask)


class Vit(nn.Module):
    """Patches by a convolution, a class token, learnt positions, PyTorch's own encoder layers."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, WIDTH, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.position = nn.Parameter(0.02 * torch.randn(1, 5, WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 16, dropout=0.1, activation="gelu", batch_first=True,
                                           norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position
        return self.head(self.norm(self.encoder(x))[:, 0])


@family
def vit():
    return Vit(), (torch.randn(2, 3, 8, 8),)


class T5(nn.Module):
    """Encoder and decoder with RMS norms and relative positions as a table of scores; one embedding for three uses."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Embedding(WORDS, WIDTH)
        self.relative = nn.Embedding(4, HEADS)

        def block(cross):
            parts = {"norm1": RmsNorm(WIDTH), "attend": Attention(WIDTH, HEADS), "norm2": RmsNorm(WIDTH),
                     "up": nn.Linear(WIDTH, 18, bias=False), "down": nn.Linear(18, WIDTH, bias=False)}
            if cross:
                parts |= {"norm3": RmsNorm(WIDTH), "cross": Attention(WIDTH, HEADS)}
            return nn.ModuleDict(parts)
        self.encoder = nn.ModuleList(block(False) for _ in range(2))
        self.decoder = nn.ModuleList(block(True) for _ in range(2))
        self.norms = nn.ModuleList([RmsNorm(WIDTH), RmsNorm(WIDTH)])

    def bias(self, time):
        at = torch.arange(time)
        return self.relative((at[:, None] - at[None, :]).abs().clamp(max=3)).permute(2, 0, 1)[None]

    def forward(self, tokens, target):
        x = self.shared(tokens)
        for b in self.encoder:
            x = x + b["attend"](b["norm1"](x), bias=self.bias(x.shape[1]))
            x = x + b["down"](torch.relu(b["up"](b["norm2"](x))))
        memory, y = self.norms[0](x), self.shared(target)
        mask = torch.ones(y.shape[1], y.shape[1], dtype=torch.bool).triu(1)
        for b in self.decoder:
            y = y + b["attend"](b["norm1"](y), mask=mask, bias=self.bias(y.shape[1]))
            y = y + b["cross"](b["norm3"](y), memory)
            y = y + b["down"](torch.relu(b["up"](b["norm2"](y))))
        return F.linear(self.norms[1](y) * WIDTH ** -0.5, self.shared.weight)


@family
def t5():
    return T5(), (words(), words(time=4))


class Language(nn.Module):
    """Embedding, recurrent layers, a head."""

    def __init__(self, cell, **kinds):
        super().__init__()
        self.embed = nn.Embedding(WORDS, 6)
        self.cell = cell(6, 8, **kinds)
        self.head = nn.Linear(8 * (1 + self.cell.bidirectional), WORDS)

    def forward(self, tokens):
        return self.head(self.cell(self.embed(tokens))[0])


@family
def lstm():
    return Language(nn.LSTM, num_layers=2, batch_first=True), (words(),)


@family
def gru():
    return Language(nn.GRU, num_layers=2, bidirectional=True, batch_first=True), (words(),)


@family
def rnn():
    return Language(nn.RNN, nonlinearity="tanh"), (words(),)


class Lora(nn.Module):
    """A frozen linear layer beside a product of two thin ones, the second zero."""

    def __init__(self, base, rank=2):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.a, self.b = nn.Linear(base.in_features, rank, bias=False), nn.Linear(rank, base.out_features, bias=False)
        nn.init.zeros_(self.b.weight)
        self.drop = nn.Dropout(0.05)

    def forward(self, x):
        return self.base(x) + self.b(self.a(self.drop(x))) * 2.0


@family
def lora():
    return nn.Sequential(Lora(nn.Linear(6, 10)), nn.GELU(), Lora(nn.Linear(10, 8)), nn.GELU(),
                         nn.Linear(8, 3).requires_grad_(False)), (torch.randn(4, 6),)


class Experts(nn.Module):
    """A router and experts in three stacked arrays; dense, or the two best of a token."""

    def __init__(self, experts=4, best=None, width=6, hidden=10):
        super().__init__()
        self.best = best
        self.router = nn.Linear(width, experts, bias=False)
        self.up = nn.Parameter(torch.empty(experts, width, hidden))
        self.bias = nn.Parameter(torch.zeros(experts, hidden))
        self.down = nn.Parameter(torch.empty(experts, hidden, width))
        nn.init.normal_(self.up, std=width ** -0.5)
        nn.init.normal_(self.down, std=hidden ** -0.5)

    def forward(self, x):
        score = self.router(x).softmax(-1)
        if self.best:
            value, index = score.topk(self.best, dim=-1)
            value = value / value.sum(-1, keepdim=True)
            score = torch.zeros_like(score).scatter(-1, index, value)
        h = torch.relu(torch.einsum("bd,edh->ebh", x, self.up) + self.bias[:, None])
        return torch.einsum("be,ebd->bd", score, torch.bmm(h, self.down)) + x


def mixture(best):
    return nn.Sequential(nn.Linear(8, 6), Experts(best=best), nn.LayerNorm(6), nn.Linear(6, 3)), (torch.randn(7, 8),)


@family
def moe_dense():
    return mixture(None)


@family
def moe_top2():
    return mixture(2)


class Dit(nn.Module):
    """Diffusion transformer: shift, scale and gate of each branch from the time, by a layer that starts at zero."""

    def __init__(self):
        super().__init__()
        self.patch, self.time = nn.Linear(4, WIDTH), nn.Sequential(nn.Linear(6, 14), nn.SiLU(), nn.Linear(14, WIDTH))
        self.blocks = nn.ModuleList(nn.ModuleDict({
            "norm1": nn.LayerNorm(WIDTH, elementwise_affine=False, eps=1e-6),
            "attend": nn.MultiheadAttention(WIDTH, HEADS, batch_first=True),
            "norm2": nn.LayerNorm(WIDTH, elementwise_affine=False, eps=1e-6), "up": nn.Linear(WIDTH, 16),
            "down": nn.Linear(16, WIDTH), "ada": nn.Linear(WIDTH, 6 * WIDTH)}) for _ in range(2))
        self.norm = nn.LayerNorm(WIDTH, elementwise_affine=False)
        self.ada, self.head = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(WIDTH, 4)
        for layer in [*(b["ada"] for b in self.blocks), self.ada, self.head]:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x, t):
        angle = t[:, None] * torch.tensor([1.0, 0.1, 0.01])
        c = F.silu(self.time(torch.cat([angle.cos(), angle.sin()], -1)))
        x = self.patch(x)
        for b in self.blocks:
            shift1, scale1, gate1, shift2, scale2, gate2 = b["ada"](c).chunk(6, dim=1)
            h = b["norm1"](x) * (1 + scale1.unsqueeze(1)) + shift1.unsqueeze(1)
            x = x + gate1.unsqueeze(1) * b["attend"](h, h, h, need_weights=False)[0]
            h = b["norm2"](x) * (1 + scale2.unsqueeze(1)) + shift2.unsqueeze(1)
            x = x + gate2.unsqueeze(1) * b["down"](F.gelu(b["up"](h), approximate="tanh"))
        shift, scale = self.ada(c).chunk(2, dim=1)
        return self.head(self.norm(x) * (1 + scale[:, None]) + shift[:, None])


@family
def dit():
    return Dit(), (torch.randn(3, TIME, 4), torch.rand(3))
