def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"wiki: {environ['PATH_INFO']}\n".encode()]
