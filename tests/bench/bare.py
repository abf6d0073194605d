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


async def sink(scope, receive, send):  # type: ignore[no-untyped-def]
    """A Snap that takes everything at once."""
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"status":"SUCCESS","reason":""}'})


if __name__ == "__main__":
    uvicorn.run(
        {"blind": blind, "sink": sink}.get(sys.argv[-1], app),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=False,
        log_level="error",
        http="httptools",
        loop="uvloop",
        lifespan="off",
    )
