"""What processes of a suite are for, as far as they can be left out; docs/suite.md has a table of them."""

PURPOSES = ("native", "python", "use", "variant", "deferred", "arenas", "trial", "together", "plan")
IN_ORDER = (
    *("resident", "use", "variant", "trial", "deferred", "arenas", "model"),
    *("together", "plan", "forks", "native", "python"),
)
QUICK = ("together", "plan")  # those that `--quick` keeps
