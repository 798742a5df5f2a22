"""Recurrent models of series: a table read, cut into training batches whose state is carried, and measured.

As in charlm.py, a table of T rows becomes `batch` sequences that are read side by side in windows, and the state of
each is carried from one window to the next, which is how the runtime uses the model afterwards.
"""

import csv

import numpy as np
import torch

import optimise


def read_columns(path, columns):
    """The columns named of a CSV file with a header -> float64 [rows, columns]"""
    with open(path, newline="", encoding="utf-8") as file:
        return np.array([[float(row[name]) for name in columns] for row in csv.DictReader(file)])


def scaled(data, scaler):
    """`data` by the document that `rivulet.fit_scaler` made -> float32 tensor"""
    x = np.log(data) if scaler.get("log") else data
    return torch.tensor((x - scaler["center"]) / scaler["scale"], dtype=torch.float32)


def ahead(x, horizon):
    """x [T, columns] -> [T - horizon, horizon, columns]: the rows that follow each row."""
    return x[1:].unfold(0, horizon, 1).transpose(1, 2)


def recent(x, length):
    """x [T, columns] -> [T, columns, length]: each row's last `length` values, oldest first, zeros before the data."""
    padded = torch.cat([torch.zeros(length - 1, x.shape[1]), x])
    return padded.unfold(0, length, 1)


def batches(rows, *, batch, window):
    """One pass over `rows` time steps from a random beginning: indices [window, batch], in the order of time.

    Where a sequence passes the end of the data it goes on at the beginning, with the state of the end.
    """
    length = rows // batch - window // 2
    begin = torch.randint(0, rows, ()).item() + torch.arange(batch) * (rows // batch)
    at = (torch.arange(length)[:, None] + begin) % rows
    return [at[i : i + window] for i in range(0, length - window + 1, window)]


def train(model, inputs, loss, validate, *, epochs, batch, window, log=print, **options):
    """Trains on `inputs` [T, ...] and keeps the weights of the epoch that `validate` finds best.

    `model(x, state)` reads inputs [window, batch, ...] and gives (its outputs, the new state). `loss(outputs, at)` is a
    scalar, and `at` [window, batch] says which time steps the outputs are of. `validate(model)` gives a number, the
    less the better. The other options are those of `optimise.Optimiser`. Returns (the model, its epoch, what
    `validate` gave).
    """
    per_epoch = len(batches(len(inputs), batch=batch, window=window))
    optimiser = optimise.Optimiser(model, epochs * per_epoch, **options)
    best, kept, kept_epoch = float("inf"), None, 0
    for epoch in range(1, epochs + 1):
        state, running = None, 0.0
        for at in batches(len(inputs), batch=batch, window=window):
            outputs, state = model(inputs[at], optimise.detach(state))
            value = loss(outputs, at)
            optimiser.step(value)
            running += value.item() / per_epoch
        optimiser.averaged.eval()
        with torch.no_grad():
            measured = validate(optimiser.averaged)
        if measured < best:
            best, kept_epoch = measured, epoch
            kept = {name: weight.clone() for name, weight in optimiser.averaged.state_dict().items()}
        log(f"epoch {epoch:3d}  training {running:.5f}  validation {measured:.5f}")
    optimiser.averaged.load_state_dict(kept)
    return optimiser.averaged, kept_epoch, best
