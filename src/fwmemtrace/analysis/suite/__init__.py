"""Builds a suite's results from the traces of its processes: profiles, sharing and the decision matrix."""
