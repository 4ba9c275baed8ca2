"""A map in the formats of other programs: tables, TensorBoard's projector, ONNX."""
