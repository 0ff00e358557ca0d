"""What a first aiohttp service is: an application with one route that reads the body and answers 200, and no more."""

import asyncio
import sys

import uvloop
from aiohttp import web


async def handle(request: web.Request) -> web.StreamResponse:
    await request.read()
    return web.Response()


async def main(port: int) -> None:
    app = web.Application()
    app.router.add_post("/webhooks/{trigger}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
