"""What fwmemtrace costs and how fast it is, each measured against a peer in one and the same run.

`python -m benchmarks [name ...]` from the repository's root runs them and prints one table. A benchmark is a module
here with `run() -> list[Row]`; adding the file is all it takes.
"""
