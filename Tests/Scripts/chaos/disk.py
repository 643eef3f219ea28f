"""A small file system that can run full: in memory, where root runs this."""

import os
import subprocess

from measure import server_user

BLOCK = 1 << 20


class SmallDisk:
    def __init__(self, path, mebibytes):
        self.path = path
        self.filler = f"{path}/filler"
        subprocess.run(["mkdir", "-p", path], check=True, **server_user())
        user = server_user()
        self.is_mounted = bool(user) and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0700,uid={user['user']},"
             f"gid={user['group']}", "pgkeep-chaos", path]).returncode == 0

    def fill(self, leave):
        """Takes all but about so many bytes; what others free meanwhile stays theirs."""
        with open(self.filler, "wb", buffering=0) as file:
            room = os.statvfs(self.path)
            size = max(0, room.f_bavail * room.f_frsize - leave)
            position = 0
            for step in (16 * BLOCK, BLOCK, 4096):
                while position + step <= size:
                    try:
                        os.posix_fallocate(file.fileno(), position, step)
                        position += step
                    except OSError:
                        break
        return position

    def free(self):
        if os.path.exists(self.filler):
            os.remove(self.filler)

    def close(self):
        self.free()
        if self.is_mounted:
            subprocess.run(["umount", "--lazy", self.path])
