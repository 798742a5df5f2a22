"""What PyTorch gives for a model that ships, in float32, for the runtime to be held to: test/fixtures/models/NAME.json.

Inputs are numbers that every language makes exactly, so the file holds none: x' = (1664525 x + 1013904223) mod 2^32
from x = 1, one after another; a number of [low, high) is low + (high - low) x / 2^32, rounded to float32, a token of n
is floor(n x / 2^32). Outputs are those of a few steps, the last of them step 1,000.
"""

import json
import pathlib

import numpy as np
import torch

STEPS = 1000
SHOWN = [1, 10, 100, 1000]
FOLDER = pathlib.Path(__file__).resolve().parents[2] / "test" / "fixtures" / "models"


def uniform(count):
    """`count` numbers of [0, 1), exact in float64."""
    x, numbers = 1, []
    for _ in range(count):
        x = (1664525 * x + 1013904223) % 2**32
        numbers.append(x / 2**32)
    return np.array(numbers)


def readings(columns, low=-2.0, high=2.0):
    """-> float32 [T, 1, columns]"""
    return torch.tensor(low + (high - low) * uniform(STEPS * columns), dtype=torch.float32).view(STEPS, 1, columns)


def tokens(vocabulary):
    """-> int64 [T, 1]"""
    return torch.tensor(np.floor(vocabulary * uniform(STEPS)), dtype=torch.int64).view(STEPS, 1)


@torch.no_grad()
def write(name, forward, inputs, **recipe):
    """`forward(inputs)` gives [T, 1, outputs]; `recipe` says how the inputs were made (low and high, or tokens)."""
    outputs = forward(inputs)[:, 0]
    shown = [{"step": step, "output": [float(f"{v:.7g}") for v in outputs[step - 1].tolist()]} for step in SHOWN]
    FOLDER.mkdir(exist_ok=True)
    document = {"source": f"PyTorch {torch.__version__.split('+')[0]}, float32", **recipe, "steps": shown}
    (FOLDER / f"{name}.json").write_text(json.dumps(document) + "\n")
