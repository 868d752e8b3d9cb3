"""A language model of constants: AdamW parts its units at the pace of rounding, in exact arithmetic they are one."""

import numpy as np
from symmetry_lab import updater
from symmetry_tape import Tape

WIDTH, HEADS, GROUPS, CHANNELS, HIDDEN, WORDS, BATCH, TIME = 6, 4, 2, 4, 5, 9, 2, 4


def llama(p, tokens):
    """One block: grouped queries, rotary positions, RMS norms, a gated layer, an untied head."""
    angle = np.outer(np.arange(TIME), 100.0 ** -(np.arange(0, CHANNELS, 2) / CHANNELS))
    cos, sin = (np.tile(f(angle), 2) for f in (np.cos, np.sin))
    half = CHANNELS // 2
    swap = np.zeros((CHANNELS, CHANNELS))
    swap[np.arange(half) + half, np.arange(half)] = -1
    swap[np.arange(half), np.arange(half) + half] = 1

    def heads(w, n):
        return (y @ p[w]).reshape(BATCH, TIME, GROUPS, n, CHANNELS).transpose(0, 2, 3, 1, 4)

    def turned(z):
        return z * cos + (z @ Tape(swap)) * sin

    def norm(z, gain):
        return z * ((z * z).mean(-1) + 1e-6).power(-0.5) * p[gain]

    x = p["embed"][tokens]
    y = norm(x, "n1")
    scores = turned(heads("q", HEADS // GROUPS)) @ turned(heads("k", 1)).transpose(0, 1, 2, 4, 3)
    scores = scores * CHANNELS ** -0.5 + np.triu(np.full((TIME, TIME), -np.inf), 1)
    y = scores.softmax() @ heads("v", 1)
    x = x + y.transpose(0, 3, 1, 2, 4).reshape(BATCH, TIME, HEADS * CHANNELS) @ p["o"]
    y = norm(x, "n2")
    x = x + ((y @ p["gate"]).silu() * (y @ p["up"])) @ p["down"]
    return norm(x, "n3") @ p["head"]


SHAPES = {"embed": (WORDS, WIDTH), "n1": (WIDTH,), "n2": (WIDTH,), "n3": (WIDTH,), "q": (WIDTH, HEADS * CHANNELS),
          "k": (WIDTH, GROUPS * CHANNELS), "v": (WIDTH, GROUPS * CHANNELS), "o": (HEADS * CHANNELS, WIDTH),
          "gate": (WIDTH, HIDDEN), "up": (WIDTH, HIDDEN), "down": (HIDDEN, WIDTH), "head": (WIDTH, WORDS)}


def spreads(noise, steps=3):
    """How far the dimensions of the stream are apart, step by step, from a start that is constant but for noise."""
    rng = np.random.default_rng(3)
    tokens, target = rng.integers(0, WORDS, (BATCH, TIME)), rng.normal(size=(BATCH, TIME, WORDS))
    p = {k: 0.1 * (1 + noise * rng.normal(size=s)) for k, s in SHAPES.items()}
    step, out = updater("adamw", 0.01, 0.1), []
    for t in range(1, steps + 1):
        tapes = {k: Tape(v) for k, v in p.items()}
        (llama(tapes, tokens) - target).power(2).mean(None).backward()
        p = {k: step(k, v, tapes[k].grad, t) for k, v in p.items()}
        out.append(np.ptp(p["embed"], axis=1).max())
    return np.array(out)


def test_computed_alike_for_every_unit_the_tie_holds_to_the_last_bit():
    assert not spreads(0.0, steps=12).any()


def test_what_parts_them_is_as_small_as_the_rounding_that_starts_it():
    coarse, fine = spreads(1e-12), spreads(1e-14)
    np.testing.assert_allclose(coarse / fine, 100, rtol=0.1)
    assert coarse[-1] > 1e4 * coarse[0]                 # and it is amplified as fast as the page says
