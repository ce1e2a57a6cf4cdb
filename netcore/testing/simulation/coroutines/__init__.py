"""Programs of asyncio on simulated hosts: their loops, and how these begin and end."""
