"""Trains a forecaster of any table: a row in, the rows that follow out.

    python models/train/forecaster.py --data your.csv --columns load,degrees --horizon 24 --season 24 --out your.safetensors

Needs torch and numpy. The first 70% of the rows train, the next 10% choose the epoch, the rest is for
`rivulet forecast your.safetensors your.csv --evaluate --from 0.8`. A forecast is the last row plus what an LSTM adds to it.
"""

import argparse
import pathlib

import torch
from torch import nn

import rivulet
import series


class Forecaster(nn.Module):
    """Readings [T, N, columns] -> forecasts [T, N, horizon * columns]. Untrained, it repeats the reading."""

    def __init__(self, columns, horizon, hidden, dropout):
        super().__init__()
        self.rnn = nn.LSTM(columns, hidden)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(hidden + columns, horizon * columns)
        with torch.no_grad():
            self.head.weight.zero_()
            self.head.bias.zero_()
            self.head.weight[:, hidden:] = torch.eye(columns).repeat(horizon, 1)

    def forward(self, x, state=None):
        h, state = self.rnn(x, state)
        return self.head(torch.cat([self.drop(h), x], dim=-1)), state


def graph_of(model, name, scaler, task):
    columns = len(task["columns"])
    graph = rivulet.Graph(name, rivulet.documents(scaler=scaler, forecast=task))
    x = graph.input("reading", [rivulet.TIME, rivulet.BATCH, columns])
    both = graph.node("Concat", [graph.recurrent(x, model.rnn), x], "both", axis=2)
    graph.output(graph.linear(both, model.head, "head"), "forecast",
                 [rivulet.TIME, rivulet.BATCH, task["horizon"] * columns])
    return graph


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, help="a CSV whose first line names its columns")
    parser.add_argument("--columns", required=True, help="those to read and to forecast, with commas between")
    parser.add_argument("--out", required=True, help="the model file to write")
    parser.add_argument("--horizon", type=int, default=1, help="rows ahead")
    parser.add_argument("--season", type=int, help="rows after which the series resembles itself")
    parser.add_argument("--step", help="what a row is: hour, day")
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--epochs", type=int, default=40)
    arguments = parser.parse_args()
    columns, horizon = arguments.columns.split(","), arguments.horizon
    torch.set_num_threads(1)
    torch.manual_seed(1)

    data = series.read_columns(arguments.data, columns)
    train_end, validation_end = int(0.7 * len(data)), int(0.8 * len(data))
    scaler = rivulet.fit_scaler("standard", columns, data[:train_end])
    x = series.scaled(data[:validation_end], scaler)
    targets = series.ahead(x, horizon).flatten(1)

    def validation_error(model):
        forecasts = model(x[: len(targets), None])[0][train_end:, 0]
        return nn.functional.mse_loss(forecasts, targets[train_end:]).item()

    batch, window = 8, 32
    if train_end - horizon < 2 * batch * window or len(targets) <= train_end:
        parser.error(f"{len(data)} rows are too few for {horizon} ahead: {2 * batch * window} have to be trained on")
    model, epoch, _ = series.train(
        Forecaster(len(columns), horizon, arguments.hidden, arguments.dropout), x[: train_end - horizon],
        lambda y, at: nn.functional.mse_loss(y, targets[at]), validation_error,
        epochs=arguments.epochs, batch=batch, window=window, warmup=50, average=0.99)
    task = {"columns": columns, "horizon": horizon}
    task |= {key: value for key in ("season", "step") if (value := getattr(arguments, key)) is not None}
    graph_of(model, pathlib.Path(arguments.out).stem, scaler, task).save(arguments.out)
    print(f"{arguments.out}: epoch {epoch} of {arguments.epochs}")


main()
