"""Whether the first run names the cause: programs with a planted cause, and faultless ones as controls.

`python -m causes [name ...]` runs each in `fwmemtrace run` from the root of the repository, compares the report with
the truth that the program prints about itself, and prints a table; `--save` keeps the results for docs/causes.md.

To add a cause, add a file to `planted/`: mark its lines `# cause`, and end with `causes.truth.tell`. A control is a
file in `controls/` that takes memory of the same kind and releases it.
"""
