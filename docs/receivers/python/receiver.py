"""A listener for lmshooks: verifies, de-duplicates, queues, answers. Python 3.9 or later, nothing else.

    WEBHOOK_SECRETS="whsec_..." python receiver.py 8080

While a secret is rotated, give both, parted by a space. Paste it, and put your work into `process`.
"""

import hmac
import json
import os
import queue
import sys
import threading
import time
from base64 import b64decode, b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE = 300  # seconds between the sender's clock and ours
LARGEST_BODY = 6 * 1024 * 1024  # bytes; lmshooks sends 1 MiB, or one larger event of at most 5 MiB
REMEMBERED = 100_000  # event ids
CAPACITY = 20_000  # events that wait for their turn


def process(account, event):
    """The slow work, in order. It runs after the answer."""
    print("processed", account, event["eventId"], event.get("eventName"), flush=True)


def signed(secrets, headers, body):
    """Whether one of our secrets signed these very bytes, not long ago (Standard Webhooks, v1)."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not (timestamp.isascii() and timestamp.isdigit()):
        return False
    if abs(time.time() - int(timestamp)) > TOLERANCE:
        return False
    content = f"{message_id}.{timestamp}.".encode() + body
    given = headers.get("webhook-signature", "").encode().split(b" ")
    matches = False
    for secret in secrets:
        expected = b"v1," + b64encode(hmac.digest(secret, content, "sha256"))
        for signature in given:
            matches |= hmac.compare_digest(expected, signature)
    return matches


class Inbox:
    """New events, each once, in the order in which they came.

    In memory, so a crash loses what waits. To lose nothing, write the events and their ids in one transaction of your
    database before the answer, and let a unique index refuse the duplicates.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._seen = {}  # a dictionary keeps the order of insertion: its first key is the oldest
        self._waiting = queue.Queue()

    def put(self, account, events):
        """Whether there was room; if not, nothing was taken."""
        with self._lock:
            fresh = {}
            for event in events:
                key = (str(account), event["eventId"])
                if key not in self._seen:
                    fresh[key] = event
            if self._waiting.qsize() + len(fresh) > CAPACITY:
                return False
            for key, event in fresh.items():
                self._seen[key] = None
                self._waiting.put((account, event))
            while len(self._seen) > REMEMBERED:
                del self._seen[next(iter(self._seen))]
            return True

    def work(self):
        while True:
            account, event = self._waiting.get()
            try:
                process(account, event)
            except Exception as error:  # it is answered for: keep it somewhere, and go on
                print("failed", account, event["eventId"], error, file=sys.stderr, flush=True)


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are used again
    timeout = 10  # seconds that a sender may pause

    def do_POST(self):
        length = self.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            return self.answer(411)
        if int(length) > LARGEST_BODY:
            return self.answer(413)
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            return self.answer(400)
        # First the signature, over the bytes as they came; only then look into them.
        if not signed(self.server.secrets, self.headers, body):
            return self.answer(401)
        try:
            envelope = json.loads(body)
            account, events = envelope["accountId"], envelope["events"]
            if not all(isinstance(event["eventId"], str) for event in events):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            return self.answer(400)
        if not self.server.inbox.put(account, events):
            return self.answer(503, ("Retry-After", "1"))
        return self.answer(202)

    def answer(self, status, *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        if status in (411, 413):  # the body was not read: what follows is no request
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8080), Receiver)
    server.secrets = [b64decode(each.removeprefix("whsec_")) for each in os.environ["WEBHOOK_SECRETS"].split()]
    server.inbox = Inbox()
    threading.Thread(target=server.inbox.work, daemon=True).start()
    print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
