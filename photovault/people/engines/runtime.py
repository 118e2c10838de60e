"""ONNX Runtime, the one place that knows it: a network from bytes, run by the thread that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Floats = np.ndarray[Any, np.dtype[np.float32]]


class NetworkError(ValueError):
    """The bytes are no network that can be run, or it does not take or give what is expected."""


class Network:
    """A network with one input."""

    def __init__(self, model: bytes) -> None:
        """Read an ONNX file.

        Raises:
            NetworkError: it is none.
        """
        onnxruntime.set_default_logger_severity(4)  # only what ends it: its words could tell of the picture
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # a process is a thread here
        options.enable_mem_pattern = False  # pictures have many sizes; a plan for each would be kept
        options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise NetworkError(f"ONNX Runtime cannot read it: {error}") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise NetworkError(f"it has {len(inputs)} inputs, not one")
        self._input = inputs[0].name
        self.shape: tuple[int | str | None, ...] = tuple(inputs[0].shape)

    def __call__(self, given: NDArray[np.float32], outputs: Sequence[str] | None = None) -> list[Floats]:
        """What comes out for what goes in; all outputs, or those named.

        Raises:
            NetworkError: it does not take that.
        """
        try:
            return list(self._session.run(outputs, {self._input: given}))
        except Exception as error:
            raise NetworkError(f"ONNX Runtime: {error}") from error
