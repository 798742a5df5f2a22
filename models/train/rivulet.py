"""Writes models that Rivulet runs: a graph in ONNX's vocabulary and its tensors in one .safetensors file.

Needs NumPy; takes PyTorch modules as they come and imports nothing of PyTorch's. The format is in docs/format.md.

    graph = rivulet.Graph("example")
    x = graph.input("x", [rivulet.TIME, rivulet.BATCH, 8])
    x = graph.recurrent(x, torch.nn.LSTM(8, 32, num_layers=2))
    x = graph.linear(x, torch.nn.Linear(32, 3), "head")
    graph.output(graph.activation(x, "Softmax", axis=-1), "y", [rivulet.TIME, rivulet.BATCH, 3])
    graph.save("model.safetensors", dtype="F16")

Sequences are time-major, [T, N, features], whatever a module's `batch_first` says: its weights are the same.
"""

import json
import struct

import numpy as np

TIME, BATCH = "T", "N"

# The order in which ONNX stacks the gates, as indices into PyTorch's: i f g o -> i o f c, r z n -> z r h.
GATES = {"LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2], "RNN_TANH": [0], "RNN_RELU": [0]}


class Graph:
    """A graph under construction. Methods that add nodes take and return names of values."""

    def __init__(self, name, metadata=None):
        self.name = name
        self.metadata = dict(metadata or {})
        self.inputs, self.outputs, self.states, self.nodes, self.tensors = [], [], [], [], {}

    def input(self, name, shape, type="float32"):
        self.inputs.append({"name": name, "type": type, "shape": list(shape)})
        return name

    def output(self, value, name, shape, type="float32"):
        """Makes `value`, which a node made, an output of the graph under the name given."""
        if not any(value in node["outputs"] for node in self.nodes):
            raise ValueError(f"no node makes {value!r}")
        for node in self.nodes:
            node["inputs"] = [name if v == value else v for v in node["inputs"]]
            node["outputs"] = [name if v == value else v for v in node["outputs"]]
        for state in self.states:
            state["output"] = name if state["output"] == value else state["output"]
        self.outputs.append({"name": name, "type": type, "shape": list(shape)})
        return name

    def state(self, input, shape, type="float32", initial=None):
        """A value that a step reads, at first `initial` or zeros; `next_state` says what the next step reads there."""
        state = {"input": input, "output": None, "type": type, "shape": list(shape)}
        if initial is not None:
            state["initial"] = self.tensor(f"{input}.initial", initial)
        self.states.append(state)
        return input

    def next_state(self, input, output):
        next(s for s in self.states if s["input"] == input)["output"] = output

    def tensor(self, name, array):
        """A constant: floats become float32 (and what `save` asks for), integers int64."""
        if hasattr(array, "detach"):
            array = array.detach().cpu().double().numpy()
        array = np.asarray(array)
        array = array.astype("<i8" if array.dtype.kind in "iu" else "<f4")
        if name in self.tensors and not np.array_equal(self.tensors[name], array):
            raise ValueError(f"two tensors named {name!r}")
        self.tensors[name] = array
        return name

    def node(self, op, inputs, name=None, outputs=1, **attributes):
        """Any operator. Returns the name of its only output, or the names of all `outputs` (a number, or names)."""
        name = name or self._unused(op.lower())
        if isinstance(outputs, int):
            outputs = [name if outputs == 1 else f"{name}.{i}" for i in range(outputs)]
        self.nodes.append({"name": name, "op": op, "inputs": list(inputs), "outputs": list(outputs),
                           "attributes": attributes})
        return outputs[0] if len(outputs) == 1 else outputs

    def _unused(self, stem):
        taken = {node["name"] for node in self.nodes}
        return next(name for i in range(len(taken) + 1) if (name := f"{stem}{i}") not in taken)

    def embedding(self, tokens, module, name="embedding"):
        """tokens [...] -> [..., E]"""
        if module.max_norm is not None:
            raise ValueError("Embedding: max_norm changes the weights when they are read; it is not exported")
        return self.node("Gather", [self.tensor(f"{name}.weight", module.weight), tokens], name, axis=0)

    def recurrent(self, x, module, name=None):
        """An LSTM, GRU or RNN, all its layers: [T, N, I] -> [T, N, H]; P for H with proj_size, 2H in both directions.

        Layer k is the node `{name}{k}`, its tensors `{name}{k}.W` and so on; `name` is the cell's unless given.
        """
        name = name or module.mode.split("_")[0].lower()
        for layer in range(module.num_layers):
            x = self._layer(x, module, layer, f"{name}{layer}")
        return x

    def _layer(self, x, module, layer, name):
        mode, hidden, projected = module.mode, module.hidden_size, module.proj_size
        sides = ["", "_reverse"] if module.bidirectional else [""]
        if projected and module.bidirectional:
            raise ValueError("LSTM: proj_size and bidirectional together are not exported")

        def stacked(kind):
            """One kind of weight, [directions, gates * H, ...], its gates in ONNX's order."""
            return np.stack([reorder(getattr(module, f"{kind}_l{layer}{side}"), GATES[mode]) for side in sides])

        inputs = [x, self.tensor(f"{name}.W", stacked("weight_ih")), self.tensor(f"{name}.R", stacked("weight_hh"))]
        if module.bias:
            bias = np.concatenate([stacked("bias_ih"), stacked("bias_hh")], axis=1)
            inputs.append(self.tensor(f"{name}.B", bias))
        attributes = {"hidden_size": hidden}
        if module.bidirectional:
            attributes["direction"] = "bidirectional"
        if mode == "GRU":
            attributes["linear_before_reset"] = 1
        if mode.startswith("RNN"):
            attributes["activations"] = [mode[4:].capitalize()] * len(sides)
        op = mode.split("_")[0]
        if projected:
            # ONNX has no projection: an operator of ours takes W_hr [1, P, H] after ONNX's eight inputs.
            op = "LSTMP"
            weight = getattr(module, f"weight_hr_l{layer}").detach()[None]
            inputs += [""] * (8 - len(inputs)) + [self.tensor(f"{name}.W_hr", weight)]
        y = self.node(op, inputs, name, outputs=[f"{name}.Y"], **attributes)  # [T, directions, N, H]
        if not module.bidirectional:
            return self.node("Squeeze", [y, self.tensor("axis1", [1])], f"{name}.squeeze")
        y = self.node("Transpose", [y], f"{name}.transpose", perm=[0, 2, 1, 3])
        return self.node("Reshape", [y, self.tensor(f"{name}.shape", [0, 0, 2 * hidden])], f"{name}.reshape")

    def linear(self, x, module, name):
        """[..., I] -> [..., O]; the weight is stored [I, O], as MatMul reads it."""
        y = self.node("MatMul", [x, self.tensor(f"{name}.weight", module.weight.detach().T)], f"{name}.matmul")
        if module.bias is None:
            return y
        return self.node("Add", [y, self.tensor(f"{name}.bias", module.bias)], f"{name}.add")

    def layer_norm(self, x, module, name):
        """Over the last axis."""
        if len(module.normalized_shape) != 1:
            raise ValueError(f"LayerNorm over {tuple(module.normalized_shape)}: only the last axis is exported")
        ones = np.ones(module.normalized_shape)
        inputs = [x, self.tensor(f"{name}.weight", ones if module.weight is None else module.weight)]
        if module.bias is not None:
            inputs.append(self.tensor(f"{name}.bias", module.bias))
        return self.node("LayerNormalization", inputs, name, axis=-1, epsilon=module.eps)

    def activation(self, x, op, name=None, **attributes):
        """By ONNX's name: Relu, Sigmoid, Tanh, Softmax, LogSoftmax, Elu, LeakyRelu, Softplus, HardSigmoid, ..."""
        return self.node(op, [x], name, **attributes)

    def to_bytes(self, dtype="F32"):
        """The file. Floating-point tensors are rounded to `dtype`: F32, F16 or BF16. Equal graphs give equal bytes."""
        graph = {"version": 1, "name": self.name, "inputs": self.inputs, "outputs": self.outputs}
        graph["states"] = [{k: s[k] for k in ("input", "output", "type", "shape", "initial") if k in s}
                           for s in self.states]
        graph["nodes"] = [{**n, "attributes": dict(sorted(n["attributes"].items()))} for n in self.nodes]
        metadata = {"format": "rivulet", "rivulet.graph": to_json(graph)}
        for key in sorted(self.metadata):
            if key == "format" or key.startswith("rivulet."):
                raise ValueError(f"metadata key {key!r} belongs to the format")
            metadata[key] = self.metadata[key]
        return write_safetensors({name: encode(name, array, dtype) for name, array in self.tensors.items()}, metadata)

    def save(self, path, dtype="F32"):
        with open(path, "wb") as file:
            file.write(self.to_bytes(dtype))


def char_model_graph(model, vocabulary, name="characters", metadata=None):
    """The graph of a `charlm.CharModel`: tokens int64 [T, N] -> logits [T, N, V]. `vocabulary[id]` is a character."""
    graph = Graph(name, {"vocabulary": json.dumps(list(vocabulary), ensure_ascii=False), **(metadata or {})})
    if len(vocabulary) != model.embedding.num_embeddings:
        raise ValueError(f"{len(vocabulary)} characters, but {model.embedding.num_embeddings} embeddings")
    x = graph.embedding(graph.input("tokens", [TIME, BATCH], "int64"), model.embedding)
    x = graph.linear(graph.recurrent(x, model.rnn), model.head, "head")
    graph.output(x, "logits", [TIME, BATCH, len(vocabulary)])
    return graph


def documents(**values):
    """Metadata: each value as the JSON text that docs/format.md describes under its key."""
    return {key: to_json(value) for key, value in values.items()}


def fit_scaler(kind, columns, data, log=False):
    """The document `scaler` of a table [rows, columns]; as `Scaler.fit` in rivulet/sequences."""
    x = np.asarray(data, dtype=np.float64).reshape(-1, len(columns))
    x = np.log(x) if log else x
    if kind == "standard":
        center, scale = x.mean(axis=0), x.std(axis=0)
    elif kind == "min-max":
        center, scale = x.min(axis=0), np.ptp(x, axis=0)
    elif kind == "robust":
        lower, center, upper = np.percentile(x, [25, 50, 75], axis=0)
        scale = upper - lower
    else:
        raise ValueError(f"scaler {kind!r}: standard, min-max or robust")
    scale = np.where(scale == 0, 1, scale)
    scaler = {"kind": kind, "columns": list(columns), "center": center.tolist(), "scale": scale.tolist()}
    return {**scaler, "log": True} if log else scaler


def reorder(weight, order):
    """Blocks of the first axis in another order."""
    array = weight.detach().cpu().double().numpy()
    return np.concatenate([np.split(array, len(order))[i] for i in order])


def encode(name, array, dtype):
    """-> (the format's name of the type, shape, little-endian bytes)"""
    if array.dtype.kind == "i":
        return "I64", array.shape, array.astype("<i8").tobytes()
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: not finite")
    if dtype == "F32":
        return dtype, array.shape, array.astype("<f4").tobytes()
    if dtype == "F16":
        with np.errstate(over="ignore"):
            stored = array.astype("<f2")
        rounded = stored
    elif dtype == "BF16":
        # The upper half, rounded to nearest, ties to even.
        bits = array.astype("<f4").view("<u4").astype(np.uint64)
        stored = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
        rounded = (stored.astype("<u4") << 16).view("<f4")
    else:
        raise ValueError(f"dtype {dtype!r}: F32, F16 or BF16")
    if not np.isfinite(rounded).all():
        raise ValueError(f"{name}: out of the range of {dtype}")
    return dtype, array.shape, stored.tobytes()


def write_safetensors(tensors, metadata):
    """{name: (dtype, shape, bytes)} and {key: text} -> a file; the widest elements first, then by name."""
    size = {"I64": 8, "F32": 4, "F16": 2, "BF16": 2}
    header, data, at = {"__metadata__": metadata}, [], 0
    for name, (dtype, shape, raw) in sorted(tensors.items(), key=lambda item: (-size[item[1][0]], item[0])):
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + len(raw)]}
        data.append(raw)
        at += len(raw)
    text = to_json(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(data)


def to_json(value):
    """As JavaScript's JSON.stringify writes it, numbers included, so that both writers give the same bytes."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{to_json(str(k))}:{to_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(to_json, value)) + "]"
    if not isinstance(value, float):
        return json.dumps(value, ensure_ascii=False)
    if not np.isfinite(value):
        raise ValueError("JSON has no such number as " + repr(value))
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    if 1e-6 <= abs(value) < 1e21:
        return np.format_float_positional(value, trim="-")
    mantissa, exponent = repr(value).split("e")
    return f"{mantissa}e{int(exponent):+d}"
