"""A leak: losses are appended with their graph, which holds the tensors of each step."""

import time

import torch
from causes.truth import rss, tell

weights = torch.randn(1000, 1000, requires_grad=True)
losses = []


def step() -> None:
    """Compute a loss and keep it."""
    hidden = torch.sigmoid(weights * torch.randn(1000, 1000))  # cause
    losses.append((hidden * hidden).sum())  # cause


step()
before = rss()
for _ in range(30):
    step()
    time.sleep(0.02)
tell("tensors with their graph", rss() - before, names=("losses",))
