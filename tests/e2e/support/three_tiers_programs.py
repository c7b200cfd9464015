"""The programs of the application of three tiers, and its ports."""

WEB_PORT, DB_PORT = 8080, 5432

SESSION = f"""
import socket, struct

class Session:
    "One session with PostgreSQL, by its simple query protocol."

    def __init__(self, host):
        self.connection = socket.create_connection((host, {DB_PORT}), 10)
        words = b"user\\0postgres\\0database\\0postgres\\0\\0"
        self.connection.sendall(struct.pack("!ii", len(words) + 8, 196608) + words)
        self.until_ready()

    def exactly(self, number):
        found = b""
        while len(found) < number:
            got = self.connection.recv(number - len(found))
            if not got:
                raise OSError("the session has ended")
            found += got
        return found

    def until_ready(self):
        kind = b""
        while kind != b"Z":
            kind, length = struct.unpack("!ci", self.exactly(5))
            said = self.exactly(length - 4)
            if kind == b"E":
                raise OSError(said)

    def ask(self, query):
        words = query.encode() + b"\\0"
        self.connection.sendall(b"Q" + struct.pack("!i", len(words) + 4) + words)
        self.until_ready()
"""

WEB = f"""
{SESSION}
import http.server, sys, threading
lock, session, sessions, queries = threading.Lock(), None, 0, 0

class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        global session, sessions, queries
        status = 200
        with lock:
            try:
                if session is None:
                    session = Session(sys.argv[1])
                    sessions += 1
                    session.ask("create table if not exists visits (at timestamptz)")
                session.ask("insert into visits values (now())")
                queries += 1
            except OSError as error:
                session, status = None, 500
                print(error, flush=True)
        body = f"sessions {{sessions}} queries {{queries}}".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("", {WEB_PORT}), Web).serve_forever()
"""
"""Records each visit in one database session, which the first visit opens."""

VISIT = f"""
import http.client, sys, time
asked = failed = 0
kept = None

def ask(connection):
    connection.request("GET", "/")
    answer = connection.getresponse()
    body = answer.read().decode()
    if answer.status != 200:
        raise OSError(body)
    return body

def connect():
    return http.client.HTTPConnection(sys.argv[1], {WEB_PORT}, timeout=10)

while True:
    try:
        # What is counted begins once somebody is there.
        ask(connect())
        break
    except (OSError, http.client.HTTPException):
        time.sleep(0.2)
while True:
    said = ""
    for one in ("kept", "new"):
        asked += 1
        try:
            if one == "kept":
                kept = kept or connect()
                said = ask(kept)
            else:
                connection = connect()
                said = ask(connection)
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            failed += 1
            print("failed", one, repr(error), flush=True)
            if one == "kept":
                kept = None
    print("asked", asked, "failed", failed, said, flush=True)
    time.sleep(0.05)
"""
"""Sends requests without end: on one connection that is kept, and on a new one each time."""

CLERK = """
PATH=/usr/lib/postgresql/15/bin:$PATH
export PGHOST=$1 PGUSER=postgres PGCONNECT_TIMEOUT=10
until psql -c "" 2>/dev/null; do sleep 0.2; done
while :; do
    # Where it reads from a pipe, it does not connect again by itself.
    while echo "select 'asked kept';"; do sleep 0.2; done | stdbuf -oL psql -qAt -v ON_ERROR_STOP=1 2>&1
    echo failed kept
    sleep 0.2
done &
while :; do
    psql -qAtc "select 'asked new'" 2>&1 || echo failed new
    sleep 0.2
done
"""
"""Queries the database without end: in one session that is kept, and in a new one each time."""

BOOK = f"""
{SESSION}
import sys, urllib.request
Session(sys.argv[1]).ask("select count(*) from visits")
print(urllib.request.urlopen(f"http://{{sys.argv[2]}}:{WEB_PORT}/", timeout=10).read().decode())
"""
"""What a job does: it reads from the database and visits the web server."""
