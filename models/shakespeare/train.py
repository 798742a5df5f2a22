"""Trains the character model of models/shakespeare. See README.md beside this file for the data and the results.

    python models/shakespeare/train.py --data input.txt --checkpoint shakespeare.pt

Needs torch and numpy. Writes model.safetensors, vocabulary.json and curve.json beside itself, or into the folder --out;
interrupted, it goes on from the checkpoint.
"""

import argparse
import json
import pathlib
import sys

import torch

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent / "train"))
import charlm  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True, help="tiny shakespeare, one text file")
parser.add_argument("--checkpoint", required=True, help="where training can be resumed from")
parser.add_argument("--out", type=pathlib.Path, default=here, help="the folder to write into")
parser.add_argument("--epochs", type=int, default=40)
parser.add_argument("--threads", type=int, default=0)
arguments = parser.parse_args()
if arguments.threads:
    torch.set_num_threads(arguments.threads)
torch.manual_seed(1)
arguments.out.mkdir(parents=True, exist_ok=True)

text = pathlib.Path(arguments.data).read_text(encoding="utf-8")
vocabulary = sorted(set(text))
tokens = torch.tensor([vocabulary.index(c) for c in text])
split = int(len(tokens) * 0.9)

model = charlm.CharModel(len(vocabulary), embedding=64, hidden=256, layers=2, dropout=0.25)
model, curve = charlm.train(model, tokens[:split], tokens[split:], epochs=arguments.epochs,
                            checkpoint=arguments.checkpoint, log=lambda line: print(line, flush=True))

charlm.save_curve(arguments.out / "curve.json", curve)
(arguments.out / "vocabulary.json").write_text(json.dumps(vocabulary, ensure_ascii=False) + "\n", encoding="utf-8")
charlm.export(model, vocabulary, arguments.out / "model.safetensors", name="shakespeare", metadata={
    "description": "Character-wise LSTM trained on tiny shakespeare",
    "license": "MIT; the training text is in the public domain",
})
parameters = sum(weight.numel() for weight in model.parameters())
print(f"{parameters} parameters, held-out loss {charlm.held_out_loss(model, tokens[split:]):.6f} nats per character")
