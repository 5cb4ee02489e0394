"""What processes of a suite are for, as far as they can be left out; docs/suite.md has a table of them."""

PURPOSES = ("native", "python", "use", "variant", "deferred", "arenas", "trial", "together", "plan")
QUICK = ("together", "plan")  # those that `--quick` keeps
