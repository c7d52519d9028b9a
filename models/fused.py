"""Evaluates the graphs that `forest.py` and `boosting.py` write, without what writes them."""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from feature_store.columns import Floats

SLICE = 100
"""Rows a call; above it ONNX Runtime changes strategy and becomes slower per row."""


class FusedForest:
    """One graph; one thread, so that no result depends on scheduling."""

    def __init__(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )

    @property
    def features(self) -> int:
        """How many values a row has."""
        return int(self._session.get_inputs()[0].shape[1])

    def score(self, rows: NDArray[np.float32]) -> Floats:
        """The raw anomaly score of each row, `(n,)`; a row's score never depends on the others."""
        scores = np.empty(len(rows), np.float64)
        for start in range(0, len(rows), SLICE):
            part = rows[start : start + SLICE]
            scores[start : start + SLICE] = self._session.run(None, {"row": part})[0][:, 0]
        return scores
