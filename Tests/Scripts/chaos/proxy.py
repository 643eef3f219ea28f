"""A TCP relay that can be cut: one process for all its ports, told what to do on standard input.

    LISTEN TARGET           relays 127.0.0.1:LISTEN to 127.0.0.1:TARGET
    LISTEN refuse           resets what is open and refuses what comes
    LISTEN silent           keeps everything open and lets no byte through
    LISTEN heal [reset]     relays again; what was open goes on, or is reset

Answers each line with `ok`. Ends when its standard input does.
"""

import asyncio
import subprocess
import sys
import threading

CHUNK = 1 << 16


class Relay:
    """One port."""

    def __init__(self, listen, target):
        self.listen, self.target = listen, target
        self.open = asyncio.Event()
        self.open.set()
        self.server = None
        self.writers = set()

    async def start(self):
        if self.server is None:
            self.server = await asyncio.start_server(self.accept, "127.0.0.1", self.listen)

    async def accept(self, reader, writer):
        self.writers.add(writer)
        other = None
        try:
            await self.open.wait()
            far, other = await asyncio.open_connection("127.0.0.1", self.target)
            self.writers.add(other)
            await asyncio.gather(self.pump(reader, other), self.pump(far, writer))
        except OSError:
            pass
        finally:
            for end in (writer, other):
                if end is not None:
                    self.writers.discard(end)
                    end.close()

    async def pump(self, reader, writer):
        try:
            while data := await reader.read(CHUNK):
                await self.open.wait()
                writer.write(data)
                await writer.drain()
            await self.open.wait()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            writer.transport.abort()
            raise

    def reset(self):
        for writer in list(self.writers):
            writer.transport.abort()

    async def do(self, order, *options):
        if order == "refuse":
            if self.server is not None:
                self.server.close()
                self.server = None
            self.reset()
        elif order == "silent":
            self.open.clear()
        elif order == "heal":
            self.open.set()
            if "reset" in options:
                self.reset()
            await self.start()
        else:
            self.target = int(order)


async def serve():
    relays = {}
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := (await lines.readline()).decode().split():
        port = int(line[0])
        if port not in relays:
            relays[port] = Relay(port, int(line[1]))
            await relays[port].start()
        else:
            await relays[port].do(*line[1:])
        print("ok", flush=True)


class Proxy:
    """The relay as a child of this process."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-u", __file__], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, start_new_session=True)

        self.lock = threading.Lock()

    def tell(self, port, *order):
        with self.lock:
            self.process.stdin.write(" ".join(map(str, (port, *order))) + "\n")
            self.process.stdin.flush()
            if self.process.stdout.readline() != "ok\n":
                raise RuntimeError("the proxy has died")

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


if __name__ == "__main__":
    asyncio.run(serve())
