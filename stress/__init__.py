"""Attacks on a traced process: it is killed, interrupted, forked, and its descriptors and its disk are taken away.

`python -m stress [name ...]` runs them from the root of the repository, each in a process of its own; `--small` in the
form that the tests run. A trial is a module in this folder with `FULL` and `SMALL`, the number of attacks, and
`run(number) -> Outcome`.
"""
