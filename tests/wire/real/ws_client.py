"""A WebSocket client on Python's websockets: text, binary, large and many messages, echoed.

Usage: ws_client.py URL HOST ADDRESS PORT. Prints "ok" when every echo was right.
"""
import asyncio
import os
import ssl
import sys

import websockets

url, host, address, port = sys.argv[1:]


async def main():
    context = None
    if url.startswith("wss:"):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    async with websockets.connect(url, host=address, port=int(port), ssl=context, max_size=None) as socket:
        for message in ["hello", "", "ü" * 1000, b"\x00\xff" * 100, os.urandom(1 << 20)]:
            await socket.send(message)
            assert await socket.recv() == message
        for number in range(200):
            await socket.send(str(number))
        for number in range(200):
            assert await socket.recv() == str(number)
        pong = await socket.ping()
        await asyncio.wait_for(pong, 10)
    print("ok")


asyncio.run(main())
