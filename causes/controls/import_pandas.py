"""Imports pandas at the top and computes with it, without keeping anything."""

import time

import pandas

for request in range(60):
    pandas.DataFrame({"value": range(10_000)})["value"].sum()
    time.sleep(0.01)
