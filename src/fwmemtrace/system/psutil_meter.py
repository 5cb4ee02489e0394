"""Reads this process's memory figures with psutil, where there is no /proc."""

from __future__ import annotations

from .meter import MemoryUsage


class PsutilMeter:
    """The meter for other systems. Its peak is the largest reading since the reset, a lower bound of the true one."""

    peak_source = "sampled"

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()
        self._largest = 0
        # Windows never resets the high-water mark; elsewhere the first reading has to serve.
        self.peak_before = int(getattr(self._process.memory_info(), "peak_wset", self.rss()))

    def rss(self) -> int:
        rss: int = self._process.memory_info().rss
        self._largest = max(self._largest, rss)
        return rss

    def page_faults(self) -> int:
        return -1

    def vms(self) -> int:
        vms: int = self._process.memory_info().vms
        return vms

    def peak(self) -> int:
        self.rss()
        return self._largest

    def reset_peak(self) -> None:
        self._largest = 0

    def usage(self) -> MemoryUsage:
        full = self._process.memory_full_info()
        # Windows and macOS report USS only; PSS, which divides shared pages among their users, exists on Linux alone.
        return MemoryUsage(full.rss, full.vms, full.uss, getattr(full, "pss", 0), getattr(full, "swap", 0))

    def learn(self, usage: MemoryUsage) -> None:
        pass

    def forget(self) -> None:
        pass

    def close(self) -> None:
        pass
