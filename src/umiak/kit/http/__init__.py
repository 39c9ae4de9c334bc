"""HTTP/1.1 without a framework: a server and a client on uvloop's transports and httptools' parser.

Refuses: routing, cookies, content types, HTTP/2. An upgraded connection
becomes a `Duplex`, plain bytes both ways.
"""
