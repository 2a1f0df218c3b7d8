"""How fast the library is beside PyTorch and ONNX Runtime."""
