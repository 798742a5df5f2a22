"""Trains the models of models/stock, walking forward: each on the days before a year, for that year and what follows.

    python models/stock/train.py --data sp500-2000.csv

Needs torch and numpy. For each fold there are two networks: one predicts the next close, the other how far it will
move. The last fold's are model.safetensors and volatility.safetensors beside this file, the others' lie in folds/.
"""

import argparse
import csv
import pathlib
import sys
import time

import torch
from torch import nn

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent / "train"))
import fixtures  # noqa: E402
import rivulet  # noqa: E402
import series  # noqa: E402

FOLDS = ["2010", "2012", "2014", "2016", "2018"]
VALIDATION = 250  # trading days before a fold that choose the epoch
LARGEST = 5.0  # deviations of a day's return that the networks see at most


class Network(nn.Module):
    """Returns, in standard deviations of training [T, N, 1] -> one number a day [T, N, 1]."""

    def __init__(self, hidden=16, dropout=0.2):
        super().__init__()
        self.rnn = nn.LSTM(1, hidden)
        self.head = nn.Linear(hidden, 1)
        self.drop = nn.Dropout(dropout)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, returns, state=None):
        h, state = self.rnn(returns, state)
        return self.head(self.drop(h)), state


def seen(closes, per_deviation):
    """Scaled logarithms of closes [T, 1] -> the returns that the networks see [T, 1, 1]; before the first stands 0."""
    moved = torch.diff(closes, dim=0, prepend=torch.zeros(1, 1))
    return (moved * per_deviation).clamp(-LARGEST, LARGEST)[:, None]


def unlikely(log_variance, returns):
    """How unlikely returns are for a normal distribution of mean 0: nats, but for a constant."""
    return 0.5 * (log_variance + returns.square() * (-log_variance).exp()).mean()


def answer(name, y, closes, deviation, per_deviation):
    """What the networks' outputs y [T, 1, 1] say, as `graph_of` has it."""
    return closes + y / per_deviation if name == "price" else (y * 0.5).exp() * (100 * deviation)


def graph_of(model, name, scaler, deviation):
    """Scaled logarithms of closes in, the next one out (`price`), or the next move's deviation in % (`volatility`)."""
    volatile = name == "volatility"
    graph = rivulet.Graph(f"stock-{name}", {
        "description": "How far the S&P 500 will move on the next day, in percent" if volatile
                       else "The next day's close of the S&P 500, which is nearly this day's",
        "license": "MIT",
        **rivulet.documents(scaler=scaler, **({} if volatile else {
            "forecast": {"columns": ["close"], "horizon": 1, "step": "trading day"}})),
    })
    number = lambda label, value: graph.tensor(label, torch.tensor([value]))  # noqa: E731
    close = graph.input("close", [rivulet.TIME, rivulet.BATCH, 1])
    before = graph.state("before", [rivulet.TIME, rivulet.BATCH, 1])
    graph.next_state(before, graph.node("Identity", [close], "today"))
    moved = graph.node("Sub", [close, before], "moved")
    returns = graph.node("Mul", [moved, number("deviations", scaler["scale"][0] / deviation)], "returns")
    returns = graph.node("Clip", [returns, number("least", -LARGEST), number("most", LARGEST)], "clipped")
    y = graph.linear(graph.recurrent(returns, model.rnn), model.head, "head")
    if volatile:
        y = graph.node("Exp", [graph.node("Mul", [y, number("half", 0.5)], "log_deviation")], "deviation")
        y = graph.node("Mul", [y, number("percent", 100 * deviation)], "scaled")
    else:
        y = graph.node("Mul", [y, number("unit", deviation / scaler["scale"][0])], "move")
        y = graph.node("Add", [close, y], "sum")
    graph.output(y, name, [rivulet.TIME, rivulet.BATCH, 1])
    return graph


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, help="daily closes: a CSV with columns date and close")
    parser.add_argument("--epochs", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    began = time.process_time()
    with open(arguments.data, newline="") as file:
        dates = [row["date"] for row in csv.DictReader(file)]
    closes = series.read_columns(arguments.data, ["close"])
    for fold in FOLDS:
        test = next(i for i, date in enumerate(dates) if date >= fold)
        scaler = rivulet.fit_scaler("standard", ["close"], closes[:test], log=True)
        x = series.scaled(closes, scaler)
        deviation = float((x[1:test] - x[: test - 1]).std() * scaler["scale"][0])
        per_deviation = scaler["scale"][0] / deviation
        returns = seen(x, per_deviation)
        inputs, targets = returns[:-1], returns[1:]
        learned = test - 1 - VALIDATION
        for name, loss in (("price", nn.functional.mse_loss), ("volatility", unlikely)):
            torch.manual_seed(1)
            model, epoch, best = series.train(
                Network(), inputs[:learned, 0], lambda y, at: loss(y, targets[at, 0]),
                lambda model: loss(model(inputs[: test - 1])[0][learned:], targets[learned : test - 1]).item(),
                epochs=arguments.epochs, batch=8, window=60, weight_decay=0.1, warmup=50, average=0.99,
                log=lambda line: None)
            with torch.no_grad():
                y, after = model(inputs)[0][test - 1 :], targets[test - 1 :]
                print(f"{fold} {name}: epoch {epoch}, validation {best:.4f}, from the fold on {loss(y, after):.4f}, "
                      f"trivial {loss(torch.zeros_like(after), after):.4f}", flush=True)
            last = fold == FOLDS[-1]
            file = {"price": "model", "volatility": "volatility"}[name] if last else f"folds/{name}-{fold}"
            graph_of(model, name, scaler, deviation).save(here / f"{file}.safetensors")
            if last:
                fixtures.write(f"stock-{name}", lambda x: answer(
                    name, model(seen(x[:, 0], per_deviation))[0], x, deviation, per_deviation),
                    fixtures.readings(1, -0.05, 0.05), low=-0.05, high=0.05)
    print(f"{time.process_time() - began:.0f} s of CPU time")


if __name__ == "__main__":
    main()
