"""A customer's WSGI program for uWSGI: tells what it sees, and takes uploads."""
import hashlib
import json


def application(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    seen = {key: value for key, value in environ.items() if isinstance(value, str)}
    seen["body_sha256"] = hashlib.sha256(body).hexdigest()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]
