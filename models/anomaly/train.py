"""Trains the model of models/anomaly on the beginnings of the NAB streams, which carry no labels.

    python models/anomaly/train.py --data NAB

Needs torch and numpy. Writes model.safetensors beside itself, and what the tests compare.
"""

import argparse
import json
import pathlib
import sys
import time

import numpy as np
import torch
from torch import nn

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent / "train"))
import fixtures  # noqa: E402
import optimise  # noqa: E402
import rivulet  # noqa: E402
import series  # noqa: E402

MEMORY = 2000.0  # readings that mean and variance remember
FARTHEST = 8.0  # deviations that a reading is from the mean, at most
HALF_LIFE = 1000  # readings in which the score to exceed halves
DECAY = float(np.float32(0.5 ** (1 / HALF_LIFE)))


class Forecaster(nn.Module):
    """Standardised readings [T, N, 1] -> a forecast of each next one [T, N, 1]"""

    def __init__(self, hidden=32, dropout=0.2):
        super().__init__()
        self.rnn = nn.LSTM(1, hidden)
        self.head = nn.Linear(hidden, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, x, state=None):
        h, state = self.rnn(x, state)
        return self.head(self.drop(h)), state


def standardised(readings):
    """[T, N, 1] -> deviations from the mean so far, at most FARTHEST: the mean and variance of what came before."""
    count, mean, variance = (torch.zeros_like(readings[0]) for _ in range(3))
    out = []
    for x in readings:
        moved = x - mean
        out.append((moved / (variance + mean * mean * 1e-6 + 1e-9).sqrt()).clamp(-FARTHEST, FARTHEST))
        count = (count + 1).clamp(0, MEMORY)
        share = 1 / count
        step = moved * share
        variance = (1 - share) * (variance + moved * step)
        mean = mean + step
    return torch.stack(out)


@torch.no_grad()
def scores(model, readings, unforeseen):
    """[T, N, 1] -> [T, N, 1], as `graph_of` has it"""
    z = standardised(readings)
    forecast = model(z)[0]
    expected = torch.cat([torch.zeros_like(forecast[:1]), forecast[:-1]])
    odd = z.abs() + (z - expected).abs() * unforeseen
    record, out = torch.zeros_like(odd[0]), []
    for x in odd:
        out.append((x - record).relu())
        faded = record * DECAY
        record = faded + (x - faded).relu()
    return torch.stack(out)


def graph_of(model, unforeseen):
    graph = rivulet.Graph("anomaly", {
        "description": "Scores each reading of a stream: how much odder it is than the oddest of late",
        "license": "MIT; trained on the Numenta Anomaly Benchmark (MIT)",
        # The threshold of the card's first column: NAB's standard profile.
        **rivulet.documents(detector={"columns": ["value"], "threshold": 0.566}),
    })
    shape = [rivulet.TIME, rivulet.BATCH, 1]
    number = lambda value: graph.tensor(f"c{value:g}", torch.tensor([value], dtype=torch.float64))  # noqa: E731
    node = lambda name, op, *inputs: graph.node(op, list(inputs), name)  # noqa: E731
    reading = graph.input("reading", shape)
    count, mean, variance, expected, record = (
        graph.state(f"{name}_before", shape) for name in ("count", "mean", "variance", "expected", "record"))

    moved = node("moved", "Sub", reading, mean)
    square = node("mean_square", "Mul", mean, mean)
    floor = node("floor", "Add", node("share_of_mean", "Mul", square, number(1e-6)), number(1e-9))
    deviation = node("deviation", "Sqrt", node("floored", "Add", variance, floor))
    z = node("z", "Clip", node("ratio", "Div", moved, deviation), number(-FARTHEST), number(FARTHEST))
    counted = node("count", "Clip", node("next_count", "Add", count, number(1.0)), number(0.0), number(MEMORY))
    share = node("share", "Reciprocal", counted)
    step = node("step", "Mul", moved, share)
    spread = node("spread", "Add", variance, node("moved_step", "Mul", moved, step))
    graph.next_state(count, counted)
    graph.next_state(mean, node("mean", "Add", mean, step))
    graph.next_state(variance, node("variance", "Mul", node("rest", "Sub", number(1.0), share), spread))

    graph.next_state(expected, graph.linear(graph.recurrent(z, model.rnn), model.head, "forecast"))
    error = node("error", "Abs", node("missed", "Sub", z, expected))
    odd = node("odd", "Add", node("far", "Abs", z), node("unforeseen", "Mul", error, number(unforeseen)))
    faded = node("faded", "Mul", record, number(DECAY))
    above = node("above_faded", "Relu", node("over_faded", "Sub", odd, faded))
    graph.next_state(record, node("record", "Add", faded, above))
    graph.output(node("above_record", "Relu", node("over_record", "Sub", odd, record)), "score", shape)
    return graph


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, help="the folder of NAB: data/ and labels/ in it")
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--unforeseen", type=float, default=0.5,
                        help="what a deviation from the forecast counts beside one from the mean")
    parser.add_argument("--out", default=here / "model.safetensors", help="only the default is what the tests compare")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    began = time.process_time()

    folder = pathlib.Path(arguments.data)
    streams = [series.read_columns(folder / "data" / name, ["value"])[:, 0]
               for name in sorted(json.loads((folder / "labels" / "combined_windows.json").read_text()))]
    # NAB's probationary period, which a detector may learn from and is not scored on.
    lengths = torch.tensor([min(750, int(0.15 * len(stream))) for stream in streams])
    readings = np.stack([np.pad(stream[:length], (0, 750 - length), mode="edge")
                         for stream, length in zip(streams, lengths.tolist())], axis=1)
    z = standardised(torch.tensor(readings)[..., None]).float()
    known = torch.arange(1, 750)[:, None] < lengths

    window = 75
    model = Forecaster()
    optimiser = optimise.Optimiser(model, arguments.epochs * (750 // window), lr=4e-3, warmup=50, average=0.99)
    for epoch in range(arguments.epochs):
        state, running = None, 0.0
        for at in range(0, 749, window):
            x, y, mask = z[:-1][at : at + window], z[1:][at : at + window, :, 0], known[at : at + window]
            forecast, state = model(x, optimise.detach(state))
            loss = ((forecast[..., 0] - y).abs() * mask).sum() / mask.sum()
            optimiser.step(loss)
            running += loss.item() / (750 // window)
        if (epoch + 1) % 20 == 0:
            print(f"epoch {epoch + 1:3d}  mean absolute error {running:.4f} deviations", flush=True)
    model = optimiser.averaged.eval()
    graph_of(model, arguments.unforeseen).save(arguments.out)
    if arguments.out == parser.get_default("out"):
        fixtures.write("anomaly", lambda x: scores(model, x, arguments.unforeseen), fixtures.readings(1), low=-2, high=2)
    print(f"{sum(weight.numel() for weight in model.parameters())} parameters, "
          f"{time.process_time() - began:.0f} s of CPU time")


if __name__ == "__main__":
    main()
