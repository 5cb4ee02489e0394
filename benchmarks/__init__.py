"""What fwmemtrace costs and how fast it is, measured against a peer in the same run.

`python -m benchmarks [name ...]` runs them from the root of the repository and prints one table; `--save` keeps the
results for the documentation. A benchmark is a module in this folder with `run() -> list[Row]`. To add one, add the
file, and name it in a mark of a page (see `docs/make.py`).
"""
