"""A Redfish BMC on 127.0.0.1:4430 that is always on: enough for the fence agent to start and to watch it."""

import base64
import http.server
import json
import ssl

WANTED = "Basic " + base64.b64encode(b"fence:only-for-molecule").decode()


class Bmc(http.server.BaseHTTPRequestHandler):
    """Answer with the state of one system."""

    def do_GET(self) -> None:
        """Answer, or refuse whoever has not the password."""
        known = self.headers.get("Authorization") == WANTED
        body = json.dumps({"PowerState": "On"} if known else {"error": {"message": "who are you?"}}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 4430), Bmc)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/root/bmc.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
