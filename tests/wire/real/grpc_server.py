"""A gRPC server without generated code: messages are bytes. Prints its port."""

from concurrent import futures

import grpc


def shout(request, context):
    context.set_trailing_metadata((("seen-by", dict(context.invocation_metadata()).get("x-forwarded-for", "")),))
    return request.upper()


def refuse(request, context):
    context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")


def count(request, context):
    for number in range(int(request)):
        yield str(number).encode()


def echo(requests, context):
    for request in requests:
        yield request




METHODS = {
    "Shout": grpc.unary_unary_rpc_method_handler(shout),
    "Refuse": grpc.unary_unary_rpc_method_handler(refuse),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Echo": grpc.stream_stream_rpc_method_handler(echo),
}

server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Words", METHODS),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
