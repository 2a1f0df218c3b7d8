"""ONNX Runtime and OpenVINO as rivals, both for the forward pass alone, and the network as the file that they read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from examples.benchmark.settings import channels_first, threads
from layers import AvgPool2d, Conv2d, Dropout, Flatten, Linear, LocalResponseNorm, MaxPool2d, ReLU, Sigmoid
from nn import Network


def onnx_runtime_engine(network: Network, images, labels, task: str, outputs: Path, engine: str) -> Callable[[], None]:
    """ONNX Runtime, with each of our layers as the one operator of ONNX that is made for it."""
    import onnxruntime

    file = outputs.with_suffix(".onnx")
    file.write_bytes(to_onnx(network, len(images)))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    file.unlink()
    inputs = {"image": np.ascontiguousarray(images.transpose(0, 3, 1, 2))}
    np.save(outputs, session.run(None, inputs)[0])
    return lambda: session.run(None, inputs)


def openvino_engine(network: Network, images, labels, task: str, outputs: Path, engine: str) -> Callable[[], None]:
    """OpenVINO, from the same file: one stream of all threads, float32, and one request that is used again."""
    import openvino

    model = openvino.Core().read_model(to_onnx(network, len(images)), b"")
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads(),
        "INFERENCE_PRECISION_HINT": "f32",  # or it would take bfloat16 where the processor has it
    }
    request = openvino.compile_model(model, "CPU", options).create_infer_request()
    request.set_input_tensor(openvino.Tensor(np.ascontiguousarray(images.transpose(0, 3, 1, 2))))
    np.save(outputs, request.infer()[0])
    return lambda: request.infer(share_outputs=True)


def to_onnx(network: Network, batch: int) -> bytes:
    """Each of our layers as the one operator of ONNX that is made for it. Raises ValueError where there is none."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights = [], []
    previous = "image"
    for name, layer in network.layers.items():
        if isinstance(layer, Dropout):
            continue
        if getattr(layer, "ceil_mode", False) or getattr(layer, "region", "across") == "within":
            raise ValueError(f"{name} ({type(layer).__name__}) has no exact counterpart here")
        inputs, options = [previous], {}
        if isinstance(layer, Conv2d | Linear):
            arrays = {f"{name}.weight": channels_first(network, name), f"{name}.bias": layer.params["bias"]}
            weights += [numpy_helper.from_array(array, key) for key, array in arrays.items()]
            inputs += arrays
        if isinstance(layer, Conv2d | MaxPool2d | AvgPool2d):
            padding = [*layer.padding, *layer.padding]
            options = {"kernel_shape": layer.kernel_size, "strides": layer.stride, "pads": padding}
        if isinstance(layer, Conv2d):
            options["group"] = layer.groups
        if isinstance(layer, LocalResponseNorm):
            options = {"size": layer.size, "alpha": layer.alpha * layer.size, "beta": layer.beta, "bias": layer.k}
        operators = {Conv2d: "Conv", Linear: "Gemm", MaxPool2d: "MaxPool", AvgPool2d: "AveragePool", ReLU: "Relu"}
        operators |= {LocalResponseNorm: "LRN", Flatten: "Flatten", Sigmoid: "Sigmoid"}
        nodes.append(helper.make_node(operators[type(layer)], inputs, [name], **options))
        previous = name
    height, width, channels = network.image_shape
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, channels, height, width])
    answer = helper.make_tensor_value_info(previous, TensorProto.FLOAT, [batch, None])
    graph = helper.make_graph(nodes, network.name, [image], [answer], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
