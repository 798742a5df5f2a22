"""Trains the models of models/headlines: an LSTM, and a plain RNN of the same size on the same data, to compare.

    python models/headlines/train.py --data hacker_news_2000.txt

Needs torch and numpy. Writes model.safetensors, rnn.safetensors and curve.json beside itself, and what the tests
compare; or, for titles of yours, the three files into the folder --out.
"""

import argparse
import json
import pathlib
import sys
import time

import torch

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent / "train"))
import charlm  # noqa: E402
import fixtures  # noqa: E402
import rivulet  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True, help="titles, one a line below a line of its own")
parser.add_argument("--out", type=pathlib.Path, default=here, help="the folder to write into")
parser.add_argument("--epochs", type=int, default=80)
arguments = parser.parse_args()
arguments.out.mkdir(parents=True, exist_ok=True)
torch.set_num_threads(1)

text = pathlib.Path(arguments.data).read_text(encoding="utf-8")
vocabulary = sorted(set(text))
tokens = torch.tensor([vocabulary.index(c) for c in text])
# The last tenth of the characters is held out; the line of the column's name is no headline.
first, split = text.index("\n"), int(len(tokens) * 0.9)

curves = []
for cell, name in [("LSTM", "model"), ("RNN", "rnn")]:
    torch.manual_seed(1)
    began = time.process_time()
    model = charlm.CharModel(len(vocabulary), embedding=32, hidden=128, layers=1, dropout=0.35, cell=cell)
    model, curve = charlm.train(model, tokens[first:split], tokens[split:], epochs=arguments.epochs, batch=16,
                                window=64, lr=4e-3, log=lambda line: print(cell, line, flush=True))
    curves.append(curve)
    charlm.export(model, vocabulary, arguments.out / f"{name}.safetensors", name=f"headlines-{cell.lower()}", metadata={
        "description": f"Character-wise {cell} trained on 2,000 titles of Hacker News",
        "license": "MIT",
        **rivulet.documents(generation={"prompt": "\n", "stop": ["\n"], "length": 200, "temperature": 0.7}),
    })
    if arguments.out == here:
        fixtures.write(f"headlines-{cell.lower()}", lambda x: model(x)[0], fixtures.tokens(len(vocabulary)),
                       tokens=len(vocabulary))
    parameters = sum(weight.numel() for weight in model.parameters())
    print(f"{cell}: {parameters} parameters, held-out loss {charlm.held_out_loss(model, tokens[split:]):.6f} nats per "
          f"character, {time.process_time() - began:.0f} s of CPU time")

rows = [{"epoch": lstm[0], **{name: {"training": round(row[1], 4), "heldOut": round(row[2], 4)}
                             for name, row in (("LSTM", lstm), ("RNN", rnn))}} for lstm, rnn in zip(*curves)]
(arguments.out / "curve.json").write_text("[\n" + ",\n".join(f" {json.dumps(row)}" for row in rows) + "\n]\n")
