"""The benchmarks: ``python -m tests.bench``. No test; nothing here fails on a slow machine."""
