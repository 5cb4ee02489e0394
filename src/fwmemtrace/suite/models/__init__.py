"""Tries the torch models of a component by themselves: narrower weights, int8, and ONNX Runtime."""
