"""A listener for lmshooks: verifies, de-duplicates, queues, answers. Python 3.9 or later, nothing else.

    WEBHOOK_SECRETS="whsec_..." python receiver.py 8080

While a secret is rotated, give both, parted by a space. A public key (whpk_...) stands there as a secret does; for one,
and for that alone, `cryptography` must be installed. Paste it, and put your work into `process`.
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
TRIED = 10  # signatures of a key pair in one request: each costs a reading of the whole body


def process(account, event):
    """The slow work, in order. It runs after the answer."""
    print("processed", account, event["eventId"], event.get("eventName"), flush=True)


def signed(keys, headers, body):
    """Whether one of our keys signed these very bytes, not long ago (Standard Webhooks)."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not (timestamp.isascii() and timestamp.isdigit()):
        return False
    if abs(time.time() - int(timestamp)) > TOLERANCE:
        return False
    content = f"{message_id}.{timestamp}.".encode() + body
    given = headers.get("webhook-signature", "").encode().split(b" ")
    matches = False
    for fits in keys:
        matches |= fits(content, given)
    return matches


def verifier(text):
    """A secret (whsec_, v1) or a public key (whpk_, v1a) as what tells whether one of the entries is by it."""
    kind, _, encoded = text.partition("_")
    if kind == "whsec":
        return secret(b64decode(encoded, validate=True))
    if kind == "whpk":
        return public_key(b64decode(encoded, validate=True))
    raise SystemExit("a key in WEBHOOK_SECRETS is neither whsec_ nor whpk_")


def secret(key):
    def fits(content, given):
        expected = b"v1," + b64encode(hmac.digest(key, content, "sha256"))
        matches = False
        for signature in given:
            matches |= hmac.compare_digest(expected, signature)
        return matches

    return fits


def public_key(key):
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    public = Ed25519PublicKey.from_public_bytes(key)

    def fits(content, given):
        for signature in [each[4:] for each in given if each.startswith(b"v1a,")][:TRIED]:
            try:
                public.verify(b64decode(signature), content)
                return True
            except (ValueError, InvalidSignature):
                pass
        return False

    return fits


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
        if not signed(self.server.keys, self.headers, body):
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
    server.keys = [verifier(each) for each in os.environ["WEBHOOK_SECRETS"].split()]
    server.inbox = Inbox()
    threading.Thread(target=server.inbox.work, daemon=True).start()
    print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
