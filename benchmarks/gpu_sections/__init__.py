"""The sections of `benchmarks/gpu.py`, one module each."""
