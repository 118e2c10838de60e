"""A network with a delay: relays connections on loopback to a server, everything that the client says later by so much.

    python bench/latency.py SERVER_PORT MILLISECONDS

It prints the port that it listens on, and ends when its standard input does. What the client sends waits in a line until
its time has come; answers go straight back. So a request and its answer take so many milliseconds more, as over a long
wire, requests that do not wait for one another wait together, and the rate of bytes is not limited.

It is a process of its own, so that its work does not stop the clock of whoever measures. Not modelled: the round trip of
opening a connection, and lost packets.
"""

import socket
import sys
import threading
import time
from contextlib import suppress
from queue import Queue

_BLOCK = 1 << 18
_WAITING = 256  # blocks in a line: 64 MiB

_Line = Queue[tuple[float, bytes]]


def serve(server_port: int, delay_s: float) -> int:
    """Start to relay in threads of their own; return the port."""
    door = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=_accept, args=(door, server_port, delay_s), daemon=True).start()
    return int(door.getsockname()[1])


def _accept(door: socket.socket, server_port: int, delay_s: float) -> None:
    while True:
        client, _ = door.accept()
        try:
            server = socket.create_connection(("127.0.0.1", server_port))
        except OSError:  # as a client sees it: nobody is there
            client.close()
            continue
        line: _Line = Queue(_WAITING)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for work in ((_listen, client, line, delay_s), (_speak, line, server), (_relay, server, client)):
            threading.Thread(target=work[0], args=work[1:], daemon=True).start()


def _listen(client: socket.socket, line: _Line, delay_s: float) -> None:
    """Put what the client says into the line, with the moment at which it may go on; nothing at its end."""
    data = b"-"
    while data:
        data = b""
        with suppress(OSError):
            data = client.recv(_BLOCK)
        line.put((time.monotonic() + delay_s, data))


def _speak(line: _Line, server: socket.socket) -> None:
    """Say what is in the line when its time has come. A server that is gone ends it, not the line: nobody may hang."""
    data = b"-"
    while data:
        due, data = line.get()
        time.sleep(max(0.0, due - time.monotonic()))
        with suppress(OSError):
            server.sendall(data)
    with suppress(OSError):
        server.shutdown(socket.SHUT_WR)


def _relay(server: socket.socket, client: socket.socket) -> None:
    with suppress(OSError):
        while data := server.recv(_BLOCK):
            client.sendall(data)
    for end in (server, client):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


if __name__ == "__main__":
    print(serve(int(sys.argv[1]), float(sys.argv[2]) / 1000), flush=True)
    sys.stdin.read()
