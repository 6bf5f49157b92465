"""An HTTP/2 client on Python's h2: many streams at once, uploads, and the request that ends in an empty DATA frame.

Usage: h2_client.py ADDRESS PORT HOST. Prints "ok" when every answer was right.
"""
import socket
import ssl
import sys

import h2.config
import h2.connection
import h2.events

address, port, host = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.set_alpn_protocols(["h2"])
stream = context.wrap_socket(socket.create_connection((address, port), timeout=20), server_hostname=host)
assert stream.selected_alpn_protocol() == "h2"

connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
connection.initiate_connection()
stream.sendall(connection.data_to_send())
status, bodies, done = {}, {}, set()


def pump():
    data = stream.recv(65536)
    assert data, "the edge closed the connection"
    for event in connection.receive_data(data):
        if isinstance(event, h2.events.ResponseReceived):
            status[event.stream_id] = dict(event.headers)[b":status"]
        elif isinstance(event, h2.events.DataReceived):
            bodies[event.stream_id] = bodies.get(event.stream_id, b"") + event.data
            connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            done.add(event.stream_id)
        elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
            raise AssertionError(event)
    stream.sendall(connection.data_to_send())


def begin(method, path, end):
    number = connection.get_next_available_stream_id()
    fields = [(":method", method), (":scheme", "https"), (":authority", host), (":path", path)]
    connection.send_headers(number, fields, end_stream=end)
    return number


plain = [begin("GET", f"/{n}", True) for n in range(50)]
# HEADERS without END_STREAM, then an empty DATA with it: a CDN began to send this one day.
for n in range(20):
    number = begin("GET", f"/empty/{n}", False)
    connection.send_data(number, b"", end_stream=True)
    plain.append(number)
upload, body = begin("POST", "/upload", False), b"x" * 300000
stream.sendall(connection.data_to_send())
sent = 0
while sent < len(body):
    room = min(connection.local_flow_control_window(upload), connection.max_outbound_frame_size)
    if room == 0:
        pump()
        continue
    connection.send_data(upload, body[sent : sent + room], end_stream=sent + room >= len(body))
    stream.sendall(connection.data_to_send())
    sent += room
while not done >= set(plain + [upload]):
    pump()
assert all(status[number] == b"200" for number in plain + [upload]), status
assert b'"length":300000' in bodies[upload].replace(b" ", b""), bodies[upload]
print("ok")
