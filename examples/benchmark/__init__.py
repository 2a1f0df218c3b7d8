"""How fast the library is beside PyTorch, JAX, ONNX Runtime and OpenVINO."""
