"""ONNX's graph: nodes, tables of operations, control flow."""
