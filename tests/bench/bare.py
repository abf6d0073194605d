"""The reference: a bare ASGI application under uvicorn that reads the body and answers 204."""

import sys

import uvicorn


async def app(scope, receive, send):  # type: ignore[no-untyped-def]
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def blind(scope, receive, send):  # type: ignore[no-untyped-def]
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    uvicorn.run(
        blind if "blind" in sys.argv[2:] else app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=False,
        log_level="error",
        http="httptools",
        loop="uvloop",
        lifespan="off",
    )
