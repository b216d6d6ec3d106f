"""Run by tests/test_exports_triton.py in a process of its own, for Triton is told early how to run.

results MODULE.py IN.npz OUT.npz: what every function of the module gives, by Triton's interpreter.
products MODULE.py: the words of sums, products, quotients and roots in the code for NVIDIA's GPUs.
"""

import importlib.util
import json
import re
import sys

import numpy as np


def load(path):
    spec = importlib.util.spec_from_file_location("exported_by_test", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def results(path, inputs, output):
    import torch

    module, given = load(path), np.load(inputs)
    found = {n: getattr(module, f"{n}_array")(torch.from_numpy(x)).numpy() for n, x in given.items()}
    np.savez(output, **found)


def products(path):
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    module, words = load(path), set()
    for name in [n for n in dir(module) if n.endswith("_kernel")]:
        size = 64 if "tl.float64" in getattr(module, name).src else 32
        signature = {"x": f"*fp{size}", "y": f"*fp{size}", "n": "i32", "BLOCK": "constexpr"}
        source = ASTSource(fn=getattr(module, name), signature=signature, constexprs={"BLOCK": 128})
        made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=module.OPTIONS)
        words |= set(re.findall(r"\t((?:mul|add|sub|fma|div|rcp|sqrt)\.[.\w]*f\d\d)\b", made.asm["ptx"]))
    print(json.dumps(sorted(words)))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
