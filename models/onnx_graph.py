"""A network as an ONNX graph whose weights stay where they are: in the safetensors file beside it.

The graph's initializers are external data that point into that file: nothing is stored twice, and the digest
of the weights covers what the graph computes with. Writing needs the ``train`` extra; serving does not.
"""

import json
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, external_data_helper, helper
from onnxscript import ir
from onnxscript.optimizer import fold_constants_ir, remove_unused_nodes
from torch import Tensor, nn

from models.errors import MustNotServe, NotExportable
from models.networks.interface import ChestNetwork, HeatMapKind

INPUT, LOGITS, POOLED = "images", "logits", "pooled"
_NETWORK = "network."
_HALF_SUFFIX = ".float16"
_TYPES = {"F32": TensorProto.FLOAT, "F16": TensorProto.FLOAT16}
_LENGTH_BYTES = 8  # the header's length stands before it, as a little-endian 64-bit integer


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """Where a tensor lies in a safetensors file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    """From the start of the file."""
    length: int


def write_graph(network: ChestNetwork, weights: Path, out: Path, input_size: int) -> None:
    """Write the graph of a network whose state is in ``weights``; both files must stay in one folder.

    Its input is ``images`` (n, 3, input_size, input_size) in 0..255; its outputs are ``logits`` (n, labels),
    ``pooled`` (n, channels) and ``map_0``... (n, labels, rows_i, columns_i), all float32, any n.

    Raises
    ------
    MustNotServe
        The network is a reproduction that may never answer for a patient.
    NotExportable
        Its heat map needs a backward pass, or a weight is not in the file.
    """
    name = type(network).__name__
    if not network.serves:
        raise MustNotServe(out.parent.name, name)
    if network.heat_map is HeatMapKind.GRADIENT:
        raise NotExportable(f"{name}: its heat map needs a backward pass, which no graph holds")
    stored, state = stored_tensors(weights), set(network.state_dict())
    if missing := state - stored.keys():
        raise NotExportable(f"{weights.name} holds no {min(missing)}")
    model = _traced(network.eval(), input_size)
    _forget_the_machine(model)
    _refer_to(model.graph, {name: stored[name] for name in state}, weights.name)
    out.write_bytes(model.SerializeToString(deterministic=True))


def stored_tensors(path: Path) -> dict[str, StoredTensor]:
    """Return where each tensor of a safetensors file lies, by name."""
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(_LENGTH_BYTES))
        header: dict[str, dict[str, object]] = json.loads(stream.read(length))
    return {
        name: _stored(entry, _LENGTH_BYTES + length)
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _stored(entry: dict[str, object], start: int) -> StoredTensor:
    shape, offsets = entry["shape"], entry["data_offsets"]
    assert isinstance(shape, list)  # noqa: S101  narrows JSON
    assert isinstance(offsets, list)  # noqa: S101  narrows JSON
    begin, end = offsets
    return StoredTensor(
        dtype=str(entry["dtype"]), shape=tuple(shape), offset=start + begin, length=end - begin
    )


class _Flat(nn.Module):
    """Logits, pooled features and maps as a plain tuple, which is what a graph can return."""

    def __init__(self, network: ChestNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        found = self.network.explained(images)
        return found.logits, found.pooled, *found.maps


@torch.no_grad()
def _traced(network: ChestNetwork, input_size: int) -> onnx.ModelProto:
    """Return the graph as torch sees it: nothing folded or fused, so that weights keep their names."""
    flat = _Flat(network).eval()
    example = torch.zeros(2, 3, input_size, input_size)
    maps = len(flat(example)) - 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about torch's own internals
        program = torch.onnx.export(
            flat,
            (example,),
            dynamo=True,
            optimize=False,
            verbose=False,
            dynamic_shapes=({0: torch.export.Dim("n")},),
            input_names=[INPUT],
            output_names=[LOGITS, POOLED, *(f"map_{i}" for i in range(maps))],
        )
    assert program is not None  # noqa: S101  None only where a file was asked for
    fold_constants_ir(program.model, onnx_shape_inference=True, should_fold=_reads_no_weight)
    remove_unused_nodes(program.model)
    model: onnx.ModelProto = program.model_proto
    if not model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise NotExportable(f"{type(network).__name__}: its code fixes the number of images")
    return model


def _reads_no_weight(node: ir.Node) -> bool | None:
    """Let constants be computed beforehand (None: as usual), never weights: they would leave their file."""
    read = [value for value in node.inputs if value is not None and value.is_initializer()]
    return False if any(value.name.startswith(_NETWORK) for value in read) else None


def _forget_the_machine(model: onnx.ModelProto) -> None:
    """Drop stack traces and file names: the same network gives the same bytes in any folder."""
    parts = [model, model.graph, *model.graph.node, *model.graph.initializer]
    parts += [*model.graph.input, *model.graph.output, *model.graph.value_info]
    for part in parts:
        for field in ("doc_string", "metadata_props"):
            part.ClearField(field)
    del model.graph.value_info[:]


def _refer_to(graph: onnx.GraphProto, stored: dict[str, StoredTensor], location: str) -> None:
    """Replace the values of weights by references; half-precision ones are widened by a Cast at loading."""
    casts: list[onnx.NodeProto] = []
    for initializer in graph.initializer:
        name = initializer.name.removeprefix(_NETWORK)
        if name not in stored:  # a constant of the network, such as its input's mean
            continue
        _point(initializer, stored[name], location)
        if initializer.data_type == TensorProto.FLOAT16:
            widened = initializer.name
            initializer.name = widened + _HALF_SUFFIX
            casts.append(helper.make_node("Cast", [initializer.name], [widened], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _point(initializer: onnx.TensorProto, tensor: StoredTensor, location: str) -> None:
    if tensor.dtype not in _TYPES or tuple(initializer.dims) != tensor.shape:
        raise NotExportable(f"{initializer.name}: stored as {tensor.dtype} {tensor.shape}")
    initializer.data_type = _TYPES[tensor.dtype]
    initializer.raw_data = b""
    external_data_helper.set_external_data(
        initializer, location=location, offset=tensor.offset, length=tensor.length
    )
    initializer.ClearField("raw_data")
