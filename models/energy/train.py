"""Trains the model of models/energy: one hourly reading of a transformer in, the next 24 hours out.

    python models/energy/train.py --data ETTh1.csv

Needs torch and numpy. Writes model.safetensors beside itself, and what the tests compare. `--without lstm` and
`--without history` train what is left when a part is taken away, and write nothing.
"""

import argparse
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

COLUMNS = ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]
HORIZON, DAY = 24, 24
HISTORY = 4 * DAY  # hours that the linear part looks back
MONTH = 30 * DAY  # the papers' months: 12 to train, 4 to validate, 4 to test


class Forecaster(nn.Module):
    """Readings [T, N, columns] -> forecasts [T, N, horizon, columns], as the sum of two parts.

    `history`: one linear map from the last four days of a column to its next, the same for all columns. `rnn`: an
    LSTM that reads how far each column is from the mean of its last four days, and corrects.
    """

    def __init__(self, hidden=64, dropout=0.5, without=None):
        super().__init__()
        self.rnn = None if without == "lstm" else nn.LSTM(len(COLUMNS), hidden)
        self.head = nn.Linear(hidden, HORIZON * len(COLUMNS))
        self.drop = nn.Dropout(dropout)
        self.history = None if without == "history" else nn.Linear(HISTORY, HORIZON, bias=False)
        for module in (self.head, self.history):
            if module is not None:
                nn.init.zeros_(module.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, recent, state=None):
        """recent [T, N, columns, HISTORY] -> ([T, N, horizon, columns], state)"""
        mean = recent.mean(-1, keepdim=True)
        y = mean.expand(*recent.shape[:-1], HORIZON)
        if self.history is not None:
            y = y + self.history(recent - mean)
        y = y.transpose(-1, -2)
        if self.rnn is not None:
            h, state = self.rnn((recent - mean)[..., -1], state)
            y = y + self.head(self.drop(h)).unflatten(-1, (HORIZON, len(COLUMNS)))
        return y, state


def graph_of(model, scaler):
    """The same as a stream: the last four days of each column are a state [T, N, columns, HISTORY]."""
    graph = rivulet.Graph("energy", {
        "description": "LSTM that forecasts the next 24 hours of an electricity transformer's loads and oil "
                       "temperature",
        "license": "MIT; trained on ETTh1 (ETDataset, CC BY-ND 4.0)",
        **rivulet.documents(scaler=scaler, forecast={
            "columns": COLUMNS, "horizon": HORIZON, "season": DAY, "step": "hour"}),
    })
    integers = lambda *values: graph.tensor("i" + "_".join(map(str, values)), list(values))  # noqa: E731
    reading = graph.input("reading", [rivulet.TIME, rivulet.BATCH, len(COLUMNS)])
    before = graph.state("before", [rivulet.TIME, rivulet.BATCH, len(COLUMNS), HISTORY])
    kept = graph.node("Slice", [before, integers(1), integers(HISTORY), integers(3)], "kept")
    newest = graph.node("Unsqueeze", [reading, integers(3)], "newest")
    recent = graph.node("Concat", [kept, newest], "recent", axis=3)
    graph.next_state(before, recent)

    # mean + history(recent - mean) is one matrix, and so is (recent - mean) at its newest hour.
    centre = torch.eye(HISTORY, dtype=torch.float64) - 1 / HISTORY
    ahead = graph.tensor("history.weight", 1 / HISTORY + centre @ model.history.weight.double().T)
    deviation = graph.tensor("deviation.weight", centre[:, -1:])
    forecasts, deviations = [], []
    for i, column in enumerate(COLUMNS):
        x = graph.node("Slice", [recent, integers(i), integers(i + 1), integers(2)], f"{column}.slice")
        x = graph.node("Squeeze", [x, integers(2)], f"{column}.recent")
        y = graph.node("MatMul", [x, ahead], f"{column}.history")
        forecasts.append(graph.node("Unsqueeze", [y, integers(3)], f"{column}.column"))
        deviations.append(graph.node("MatMul", [x, deviation], f"{column}.deviation"))
    linear = graph.node("Concat", forecasts, "history", axis=3)
    linear = graph.node("Reshape", [linear, integers(0, 0, HORIZON * len(COLUMNS))], "history.flat")
    h = graph.recurrent(graph.node("Concat", deviations, "deviations", axis=2), model.rnn)
    correction = graph.linear(h, model.head, "head")
    graph.output(graph.node("Add", [linear, correction], "sum"), "forecast",
                 [rivulet.TIME, rivulet.BATCH, HORIZON * len(COLUMNS)])
    return graph


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, help="ETTh1.csv")
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--without", choices=["lstm", "history"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    began = time.process_time()

    train_end, validation_end, test_end = 12 * MONTH, 16 * MONTH, 20 * MONTH
    data = series.read_columns(arguments.data, COLUMNS)[:test_end]
    scaler = rivulet.fit_scaler("standard", COLUMNS, data[:train_end])
    readings = series.scaled(data, scaler)
    recent, targets = series.recent(readings, HISTORY), series.ahead(readings, HORIZON)

    def errors(model, begin, end):
        """(MSE, MAE) of every forecast that lies within the rows begin to end - 1; the state carried from row 0."""
        forecasts = model(recent[: end - HORIZON, None])[0][begin - 1 :, 0]
        error = forecasts - targets[begin - 1 : end - HORIZON]
        return error.square().mean().item(), error.abs().mean().item()

    model, epoch, _ = series.train(
        Forecaster(without=arguments.without), recent[: train_end - HORIZON],
        lambda y, at: nn.functional.mse_loss(y, targets[at]),
        lambda model: errors(model, train_end, validation_end)[0], epochs=arguments.epochs, batch=16, window=90,
        weight_decay=0.1, warmup=100, average=0.998, log=lambda line: print(line, flush=True))
    with torch.no_grad():
        for name, begin, end in (("validation", train_end, validation_end), ("test", validation_end, test_end)):
            print("{}: MSE {:.4f}, MAE {:.4f}".format(name, *errors(model, begin, end)))
    parameters = sum(weight.numel() for weight in model.parameters())
    print(f"{parameters} parameters, epoch {epoch}, {time.process_time() - began:.0f} s of CPU time")
    if arguments.without is None:
        graph_of(model, scaler).save(here / "model.safetensors")
        fixtures.write("energy", lambda x: model(series.recent(x[:, 0], HISTORY)[:, None])[0].flatten(2),
                       fixtures.readings(len(COLUMNS)), low=-2, high=2)


main()
