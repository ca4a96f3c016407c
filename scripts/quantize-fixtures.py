"""Makes tests/fixtures/quantize: weights, and what others quantise them to.

usage: python scripts/quantize-fixtures.py <tests/fixtures/quantize>     (needs numpy, gguf and llama-cpp-python from PyPI)

weights.f32   16 rows of 512 weights: normal ones, outliers, blocks of zeros, of one value, of one sign, tiny and large ones
Q8_0.bin, Q4_0.bin, Q5_0.bin   by gguf-py (`gguf.quants.quantize`)
Q4_K.bin, Q6_K.bin             by ggml (`ggml_quantize_chunk`), whose errors are what ours are held against
"""
import ctypes, glob, os, sys
import numpy as np
import gguf, llama_cpp

out = sys.argv[1]
os.makedirs(out, exist_ok=True)
rng = np.random.default_rng(4)
rows = rng.normal(0, 0.04, (16, 512)).astype(np.float32)
rows[1] *= np.where(rng.random(512) < 0.01, 40, 1)
rows[2, :256] = 0
rows[2, 300:332] = 0.25
rows[3] = np.abs(rows[3])
rows[4] = -np.abs(rows[4]) - 0.5
rows[5] *= 1e-6
rows[6] *= 1e4
rows[7, ::7] = -rows[7, 0]
rows[8] = rng.laplace(0, 0.02, 512)
rows[9] = rng.uniform(-1, 1, 512)
rows[10] = rows[10].astype(np.float16)
rows[11, 1:] = 0
rows[12] = np.float32(-0.0)
rows.tofile(f"{out}/weights.f32")
for name in ["Q8_0", "Q4_0", "Q5_0"]:
    gguf.quants.quantize(rows, gguf.GGMLQuantizationType[name]).tofile(f"{out}/{name}.bin")
lib = ctypes.CDLL(glob.glob(os.path.join(os.path.dirname(llama_cpp.__file__), "lib", "libggml-base.so*"))[0])
lib.ggml_quantize_chunk.restype = ctypes.c_size_t
lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
for name in ["Q4_K", "Q6_K"]:
    kind = gguf.GGMLQuantizationType[name]
    weights, n_bytes = gguf.GGML_QUANT_SIZES[kind]
    blocks = np.zeros(rows.size // weights * n_bytes, np.uint8)
    assert lib.ggml_quantize_chunk(kind, rows.ctypes.data, blocks.ctypes.data, 0, *rows.shape, None) == blocks.size
    blocks.tofile(f"{out}/{name}.bin")
print("gguf", gguf.__version__ if hasattr(gguf, "__version__") else "", "llama-cpp-python", llama_cpp.__version__)
