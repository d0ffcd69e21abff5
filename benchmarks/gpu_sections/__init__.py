"""What `benchmarks/gpu.py` measures: one module a section."""
