"""Character-wise recurrent language models: one architecture, one training loop, for every text model that ships.

The text is cut into `batch` parallel sequences that are read from left to right in windows of `window`
characters; the recurrent state of each is carried from one window to the next (truncated back-propagation through
time), which is how the runtime uses the model afterwards: as one stream whose state is never thrown away.
"""

import json
import pathlib
import time

import torch
from torch import nn

import optimise


class CharModel(nn.Module):
    """Embedding -> stacked LSTM, GRU or RNN -> linear head. Returns logits [T, N, V] and the new state."""

    def __init__(self, vocabulary, embedding=64, hidden=256, layers=2, dropout=0.0, cell="LSTM"):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.rnn = getattr(nn, cell)(embedding, hidden, layers, dropout=dropout if layers > 1 else 0.0)
        self.head = nn.Linear(hidden, vocabulary)
        self.drop = nn.Dropout(dropout)

    def forward(self, tokens, state=None):
        y, state = self.rnn(self.drop(self.embedding(tokens)), state)
        return self.head(self.drop(y)), state


@torch.no_grad()
def held_out_loss(model, tokens, chunk=4096):
    """Mean cross-entropy in nats per character over `tokens`, streamed once from the zero state."""
    model.eval()
    total, state = 0.0, None
    for start in range(0, len(tokens) - 1, chunk):
        x = tokens[start : min(start + chunk, len(tokens) - 1)]
        y = tokens[start + 1 : start + 1 + len(x)]
        logits, state = model(x.unsqueeze(1), state)
        total += nn.functional.cross_entropy(logits[:, 0].double(), y, reduction="sum").item()
    model.train()
    return total / (len(tokens) - 1)


def train(model, tokens, held_out, *, epochs, batch=64, window=128, checkpoint=None, log=print, **options):
    """Trains with `optimise.Optimiser`, which takes the other options: lr, weight_decay, warmup, average, clip.

    Returns (the averaged model, [(epoch, training loss, held-out loss)]). The held-out text is looked at to draw the
    curve, never to choose: the weights after the last epoch are the result. Times are the process's, not the clock's.
    """
    length = (len(tokens) - 1) // batch
    steps_per_epoch = (length - window // 2) // window
    optimiser = optimise.Optimiser(model, epochs * steps_per_epoch, **options)
    curve, first = [], 0
    if checkpoint and pathlib.Path(checkpoint).exists():
        saved = torch.load(checkpoint)
        optimiser.load_state_dict(saved)
        curve, first = saved["curve"], saved["epoch"] + 1
    for epoch in range(first, epochs):
        began, running = time.process_time(), 0.0
        # A new offset each epoch, so that the windows do not always begin at the same characters.
        offset = torch.randint(0, window // 2, ()).item()
        rolled = torch.roll(tokens, -torch.randint(0, len(tokens), ()).item())
        x = rolled[: batch * length].view(batch, length).t()
        y = rolled[1 : batch * length + 1].view(batch, length).t()
        state = None
        for i in range(steps_per_epoch):
            at = offset + i * window
            logits, state = model(x[at : at + window], optimise.detach(state))
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), y[at : at + window].flatten())
            optimiser.step(loss)
            running += loss.item()
        measured = held_out_loss(optimiser.averaged, held_out)
        curve.append((epoch + 1, running / steps_per_epoch, measured))
        log(f"epoch {epoch + 1:3d}  training {running / steps_per_epoch:.4f}  held-out {measured:.4f}  "
            f"{time.process_time() - began:.0f} s")
        if checkpoint:
            torch.save({**optimiser.state_dict(), "curve": curve, "epoch": epoch}, checkpoint)
    optimiser.averaged.eval()
    return optimiser.averaged, curve


def save_curve(path, curve):
    rows = [{"epoch": e, "training": round(t, 4), "heldOut": round(h, 4)} for e, t, h in curve]
    pathlib.Path(path).write_text(json.dumps(rows, indent=1) + "\n")


def export(model, vocabulary, path, *, name, dtype="F32", metadata=None):
    """Writes the model as Rivulet's own file; `vocabulary[id]` is a character."""
    import rivulet

    rivulet.char_model_graph(model, vocabulary, name, metadata).save(path, dtype)
