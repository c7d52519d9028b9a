"""A pickled isolation forest through skl2onnx, as its documentation does it."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType


def main(fitted: str, converted: str, features: str) -> None:
    # The pickle was written a moment ago by the bench that runs this.
    forest = pickle.loads(Path(fitted).read_bytes())
    inputs = [("X", FloatTensorType([None, int(features)]))]
    graph = to_onnx(forest, initial_types=inputs, target_opset={"": 15, "ai.onnx.ml": 3})
    Path(converted).write_bytes(graph.SerializeToString())


if __name__ == "__main__":
    main(*sys.argv[1:])
