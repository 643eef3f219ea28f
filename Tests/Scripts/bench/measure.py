"""Runs one program and tells what it cost: wall time, CPU and memory of all its processes."""

import ctypes
import json
import os
import pwd
import subprocess
import threading
import time

PR_SET_CHILD_SUBREAPER = 36
SAMPLE_SECONDS = 0.02


def server_user():
    """Keyword arguments for subprocess that drop from root to the user servers run as."""
    if os.getuid() != 0:
        return {}
    entry = pwd.getpwnam("postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid,
            "extra_groups": os.getgrouplist("postgres", entry.pw_gid)}


def environment(extra=None):
    """What every program gets: nothing that points it to another server or vault."""
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/nonexistent", **(extra or {})}


def run(command, extra=None, check=True):
    """Runs a program as the server's user; returns its output."""
    done = subprocess.run(command, cwd="/", env=environment(extra), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, **server_user())
    if check and done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def descendants(pid):
    """The processes below `pid`."""
    found = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children") as children:
                direct = [int(child) for child in children.read().split()]
        except OSError:
            continue
        for child in direct:
            found += [child] + descendants(child)
    return found


def resident(pid):
    """Resident bytes of a process, 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def sample_memory(stop, peak):
    """Keeps the largest sum of resident memory of all processes below this one."""
    while not stop.wait(SAMPLE_SECONDS):
        peak[0] = max(peak[0], sum(resident(pid) for pid in descendants(os.getpid())))


def supervise(command, extra, log):
    """In a process of its own: runs the program and waits for all it left behind, too."""
    # As the reaper of orphans it also pays for what the program put into the background.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    peak, stop = [0], threading.Event()
    sampler = threading.Thread(target=sample_memory, args=(stop, peak), daemon=True)
    sampler.start()
    begin = time.monotonic()
    child = subprocess.Popen(command, cwd="/", env=environment(extra), stdin=subprocess.DEVNULL,
                             stdout=log, stderr=subprocess.STDOUT, **server_user())
    code = child.wait()
    wall = time.monotonic() - begin
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    stop.set()
    sampler.join()
    times = os.times()
    return {"code": code, "wall": wall, "cpu": times.children_user + times.children_system,
            "rss": peak[0]}


def measure(command, extra=None):
    """Runs a program as the server's user on a quiet disk; {wall, cpu, rss}; seconds, bytes."""
    os.sync()
    log = os.memfd_create("log")
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(send, json.dumps(supervise(command, extra, log)).encode())
        finally:
            os._exit(0)
    os.close(send)
    with os.fdopen(receive) as pipe:
        result = json.loads(pipe.read() or '{"code": -1}')
    os.waitpid(pid, 0)
    if result["code"] != 0:
        os.lseek(log, 0, os.SEEK_SET)
        with os.fdopen(log, errors="replace") as text:
            raise SystemExit(f"bench: {' '.join(command)}: exit {result['code']}\n{text.read()}")
    os.close(log)
    return result


def time_each(commands, extra=None):
    """Seconds each of many short programs took, process start included."""
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        # Dropped once, out here, so that each start is a plain spawn and nothing else is timed.
        try:
            drop = server_user()
            if drop:
                os.setgroups(drop["extra_groups"])
                os.setgid(drop["group"])
                os.setuid(drop["user"])
            os.chdir("/")
            os.write(send, json.dumps(spawn_each(commands, environment(extra))).encode())
        finally:
            os._exit(0)
    os.close(send)
    with os.fdopen(receive) as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    if not answer:
        raise SystemExit(f"bench: {' '.join(commands[0])} failed")
    return json.loads(answer)


def spawn_each(commands, variables):
    null = os.open("/dev/null", os.O_RDWR)
    quiet = [(os.POSIX_SPAWN_DUP2, null, descriptor) for descriptor in (0, 1)]
    seconds = []
    for command in commands:
        begin = time.monotonic()
        child = os.posix_spawn(command[0], command, variables, file_actions=quiet)
        status = os.waitpid(child, 0)[1]
        seconds.append(time.monotonic() - begin)
        if status != 0:
            raise SystemExit(f"bench: {' '.join(command)}: status {status}")
    return seconds


def tree_bytes(path):
    """Bytes of all files below `path`, as the file system counts blocks."""
    total = 0
    for directory, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(directory, name)).st_blocks * 512
            except OSError:
                pass
    return total
