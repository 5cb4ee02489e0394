"""Tasks wait for an event that never comes, each with its request."""

import asyncio

from causes.truth import tell

WAITING = set()


async def handle(number: int, never: asyncio.Event) -> None:
    """Take a request and wait."""
    body = bytes([number % 256]) * 500_000  # cause
    await never.wait()
    print(len(body))


async def main() -> None:
    """Take requests."""
    never = asyncio.Event()
    for number in range(200):
        WAITING.add(asyncio.create_task(handle(number, never)))
        await asyncio.sleep(0.01)
    tell("tasks that wait", 100_000_000, names=("WAITING", "handle"))
    for task in WAITING:
        task.cancel()


asyncio.run(main())
