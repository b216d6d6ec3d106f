"""A GPU by CuPy: sources compiled by NVRTC itself, for CuPy's own call flushes subnormals; timed launches."""

import sys
from typing import Any

import numpy as np


class Device:
    """What the parts ask of a GPU; tests put another in its place."""

    def __init__(self) -> None:
        import cupy

        self.cupy = cupy
        self.device = cupy.cuda.Device()
        properties = cupy.cuda.runtime.getDeviceProperties(0)
        self.name = properties["name"].decode()
        self.processors = int(properties["multiProcessorCount"])

    def load(self, source: str, *options: str) -> Any:
        """A module of kernels."""
        from cupy.cuda import function, nvrtc

        program = nvrtc.createProgram(source, "kernels.cu", (), ())
        try:
            nvrtc.compileProgram(
                program, (f"-arch=sm_{self.device.compute_capability}", "-std=c++17", *options)
            )
        except nvrtc.NVRTCError:
            print(nvrtc.getProgramLog(program)[:3000], file=sys.stderr)
            raise
        module = function.Module()
        module.load(nvrtc.getCUBIN(program))
        return module

    def array(self, values: np.ndarray) -> Any:
        """On the GPU."""
        return self.cupy.asarray(values)

    def fetch(self, values: Any) -> np.ndarray:
        """From there."""
        return np.asarray(self.cupy.asnumpy(values))

    def launch(self, module: Any, name: str, blocks: int, threads: int, *args: Any) -> None:
        """A kernel, not waited for."""
        module.get_function(name)((blocks,), (threads,), args)

    def milliseconds(self, module: Any, name: str, blocks: int, threads: int, *args: Any) -> float:
        """Of one launch."""
        start, end = self.cupy.cuda.Event(), self.cupy.cuda.Event()
        start.record()
        self.launch(module, name, blocks, threads, *args)
        end.record()
        end.synchronize()
        return float(self.cupy.cuda.get_elapsed_time(start, end))
