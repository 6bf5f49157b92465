"""Calls the server through the edge: ADDRESS AUTHORITY. Prints `ok`."""

import queue
import sys

import grpc

address, authority = sys.argv[1:]
with grpc.insecure_channel(address, options=[("grpc.default_authority", authority)]) as channel:
    shout = channel.unary_unary("/test.Words/Shout")
    for _ in range(3):
        answer, call = shout.with_call(b"hello", timeout=20)
        assert answer == b"HELLO", answer
        assert dict(call.trailing_metadata())["seen-by"] == address.rsplit(":", 1)[0], call.trailing_metadata()
    assert shout(b"x" * 1_000_000, timeout=20) == b"X" * 1_000_000

    try:
        channel.unary_unary("/test.Words/Refuse")(b"", timeout=20)
        raise SystemExit("not refused")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.PERMISSION_DENIED, error
        assert error.details() == "not you", error

    counted = list(channel.unary_stream("/test.Words/Count")(b"500", timeout=20))
    assert counted == [str(n).encode() for n in range(500)], counted

    # Each message waits for the echo of the one before: nothing is held back in either direction.
    to_send = queue.Queue()
    echoes = channel.stream_stream("/test.Words/Echo")(iter(to_send.get, None), timeout=20)
    for n in range(20):
        to_send.put(str(n).encode())
        assert next(echoes) == str(n).encode()
    to_send.put(None)
    assert list(echoes) == []
    assert echoes.code() == grpc.StatusCode.OK
print("ok")
