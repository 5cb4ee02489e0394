"""Losses kept as numbers, without their graph."""

import time

import torch

weights = torch.randn(1000, 1000, requires_grad=True)
losses: list[float] = []


def step() -> None:
    """Compute a loss and keep its value."""
    hidden = torch.sigmoid(weights * torch.randn(1000, 1000))
    losses.append(float((hidden * hidden).sum()))


for _ in range(60):
    step()
    time.sleep(0.02)
