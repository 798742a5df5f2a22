"""Character-wise recurrent language models: one architecture, one training loop, for every text model that ships.

The text is cut into `batch` parallel sequences that are read from left to right in windows of `window`
characters; the recurrent state of each is carried from one window to the next (truncated back-propagation through
time), which is how the runtime uses the model afterwards: as one stream whose state is never thrown away.
"""

import copy
import json
import math
import pathlib
import time

import torch
from torch import nn


class CharModel(nn.Module):
    """Embedding -> stacked LSTM, GRU or RNN -> linear head. Returns logits [T, N, V] and the new state."""

    def __init__(self, vocabulary, embedding=64, hidden=256, layers=2, dropout=0.0, cell="LSTM"):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.rnn = getattr(nn, cell)(embedding, hidden, layers, dropout=dropout)
        self.head = nn.Linear(hidden, vocabulary)
        self.drop = nn.Dropout(dropout)

    def forward(self, tokens, state=None):
        y, state = self.rnn(self.drop(self.embedding(tokens)), state)
        return self.head(self.drop(y)), state


def detach(state):
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


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


def train(model, tokens, held_out, *, epochs, batch=64, window=128, lr=2e-3, weight_decay=1e-2, warmup=200,
          average=0.999, clip=1.0, checkpoint=None, log=print):
    """AdamW, a cosine schedule, and an exponential average of the weights, which is what is kept.

    Returns (the averaged model, [(epoch, training loss, held-out loss)]). The held-out text is looked at to draw the
    curve, never to choose: the weights after the last epoch are the result.
    """
    length = (len(tokens) - 1) // batch
    steps_per_epoch = (length - window // 2) // window
    total_steps = epochs * steps_per_epoch
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.99), weight_decay=weight_decay)
    averaged = copy.deepcopy(model)
    curve, step, first = [], 0, 0
    if checkpoint and pathlib.Path(checkpoint).exists():
        saved = torch.load(checkpoint)
        model.load_state_dict(saved["model"])
        averaged.load_state_dict(saved["averaged"])
        optimiser.load_state_dict(saved["optimiser"])
        curve, step, first = saved["curve"], saved["step"], saved["epoch"] + 1
    for epoch in range(first, epochs):
        began, running = time.time(), 0.0
        # A new offset each epoch, so that the windows do not always begin at the same characters.
        offset = torch.randint(0, window // 2, ()).item()
        rolled = torch.roll(tokens, -torch.randint(0, len(tokens), ()).item())
        x = rolled[: batch * length].view(batch, length).t()
        y = rolled[1 : batch * length + 1].view(batch, length).t()
        state = None
        for i in range(steps_per_epoch):
            for group in optimiser.param_groups:
                progress = max(0.0, step - warmup) / max(1, total_steps - warmup)
                group["lr"] = lr * min(1.0, (step + 1) / warmup) * (0.5 + 0.5 * math.cos(math.pi * progress))
            at = offset + i * window
            logits, state = model(x[at : at + window], state)
            state = detach(state)
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), y[at : at + window].flatten())
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimiser.step()
            step += 1
            keep = min(average, (step + 1) / (step + 10))
            with torch.no_grad():
                for kept, new in zip(averaged.parameters(), model.parameters()):
                    kept.lerp_(new, 1 - keep)
            running += loss.item()
        measured = held_out_loss(averaged, held_out)
        curve.append((epoch + 1, running / steps_per_epoch, measured))
        log(f"epoch {epoch + 1:3d}  training {running / steps_per_epoch:.4f}  held-out {measured:.4f}  "
            f"{time.time() - began:.0f} s")
        if checkpoint:
            torch.save({"model": model.state_dict(), "averaged": averaged.state_dict(), "curve": curve, "step": step,
                        "optimiser": optimiser.state_dict(), "epoch": epoch}, checkpoint)
    averaged.eval()
    return averaged, curve


def save_curve(path, curve):
    rows = [{"epoch": e, "training": round(t, 4), "heldOut": round(h, 4)} for e, t, h in curve]
    pathlib.Path(path).write_text(json.dumps(rows, indent=1) + "\n")


def export(model, vocabulary, path, *, name, dtype="F32", metadata=None):
    """Writes the model as Rivulet's own file; `vocabulary[id]` is a character."""
    import rivulet

    rivulet.char_model_graph(model, vocabulary, name, metadata).save(path, dtype)
