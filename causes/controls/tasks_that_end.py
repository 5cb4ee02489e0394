"""Tasks take their requests one after the other and end."""

import asyncio


async def handle(number: int) -> int:
    """Returns the length of a request."""
    body = bytes([number % 256]) * 500_000
    await asyncio.sleep(0.01)
    return len(body)


async def main() -> None:
    """Serve."""
    for number in range(150):
        await asyncio.create_task(handle(number))


asyncio.run(main())
