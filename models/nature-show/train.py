"""Trains the three models of models/nature-show, an RNN, a GRU and an LSTM of the same size, on the same shows.

    python models/nature-show/train.py

Needs torch and numpy, and no data: README.md beside this file says what a show is. Writes rnn.safetensors,
gru.safetensors and model.safetensors (the LSTM) beside itself, and what the tests compare.
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
import optimise  # noqa: E402
import rivulet  # noqa: E402

PLACES = ["river", "ridge", "meadow", "lake", "valley", "island", "moor", "wood"]
SCENERY = ["clouds", "rain", "sun", "wind", "snow", "fog", "moon", "stars"]
KINDS = ["sheep", "bears", "dog or wolf?"]
ANSWERS = ["dog", "wolf"]
OBSERVATIONS = [f"{place}: {kind}" for place in PLACES for kind in KINDS] + SCENERY
OPENING = 3 * len(PLACES)  # observations before the one that decides


class Answerer(nn.Module):
    """observations int64 [T, N] -> logits of the answers [T, N, 2]"""

    def __init__(self, cell, embedding=16, hidden=32):
        super().__init__()
        self.embedding = nn.Embedding(len(OBSERVATIONS), embedding)
        self.rnn = getattr(nn, cell)(embedding, hidden)
        self.head = nn.Linear(hidden, len(ANSWERS))

    def forward(self, observations):
        return self.head(self.rnn(self.embedding(observations))[0])


def shows(between, count):
    """-> observations [OPENING + between + 2, count], answers [count]. As show.mjs beside this file makes them."""
    places = len(PLACES)
    draw = lambda below, *shape: torch.randint(0, below, shape)  # noqa: E731
    place, answer = draw(places, count), draw(2, count)
    opening = 3 * draw(places, OPENING, count) + draw(2, OPENING, count)
    elsewhere = 3 * ((place + 1 + draw(places - 1, between, count)) % places) + draw(2, between, count)
    scenery = 3 * places + draw(len(SCENERY), between, count)
    distractors = torch.where(draw(2, between, count) == 0, elsewhere, scenery)
    return torch.cat([opening, (3 * place + answer)[None], distractors, (3 * place + 2)[None]]), answer


def train(cell, steps, farthest=100, batch=64):
    torch.manual_seed(1)
    model = Answerer(cell)
    optimiser = optimise.Optimiser(model, steps, lr=5e-3, weight_decay=0.0, average=0.99, warmup=50)
    for step in range(steps):
        # As many shows with 1 to 10 observations between as with 10 to 100: the near ones can be learned first.
        between = int((farthest + 1) ** torch.rand(()).item()) - 1
        observations, answers = shows(between, batch)
        loss = nn.functional.cross_entropy(model(observations)[-1], answers)
        optimiser.step(loss)
        if (step + 1) % (steps // 10) == 0:
            print(f"{cell} step {step + 1}: loss {loss.item():.4f} with {between} between", flush=True)
    return optimiser.averaged.eval()


def graph_of(model, cell):
    graph = rivulet.Graph(f"nature-show-{cell.lower()}", {
        "description": f"{cell} that says, of the last animal of a nature show, whether it is a dog or a wolf",
        "license": "MIT",
        **rivulet.documents(observations=OBSERVATIONS, answers=ANSWERS),
    })
    x = graph.embedding(graph.input("observation", [rivulet.TIME, rivulet.BATCH], "int64"), model.embedding)
    x = graph.linear(graph.recurrent(x, model.rnn), model.head, "head")
    graph.output(x, "answer", [rivulet.TIME, rivulet.BATCH, len(ANSWERS)])
    return graph


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=6000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for cell, name in [("RNN", "rnn"), ("GRU", "gru"), ("LSTM", "model")]:
        began = time.process_time()
        model = train(cell, arguments.steps)
        graph_of(model, cell).save(here / f"{name}.safetensors")
        fixtures.write(f"nature-show-{cell.lower()}", model, fixtures.tokens(len(OBSERVATIONS)),
                       tokens=len(OBSERVATIONS))
        parameters = sum(weight.numel() for weight in model.parameters())
        print(f"{cell}: {parameters} parameters, {time.process_time() - began:.0f} s of CPU time", flush=True)


main()
