#!/usr/bin/env python3
"""Counts the instructions of one echo in user space, and the locked ones among them, by valgrind's callgrind.

`wharf serve` runs under valgrind, and the load is in lockstep: the server is stopped (SIGSTOP) when its workers sleep, every
connection sends one message, the server goes on and answers all of them. So each round is the same for the server, however busy
the machine is. Two runs of different length are subtracted, so that the start and the end of the server do not count. Only the
workers' threads count: what the monitor's thread does depends on the time and not on the echoes.

An instruction is a locked one if it has the prefix `lock`, or is an `xchg` with memory, by the disassembly.
"""

import argparse
import collections
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

# The rounds of the two runs; what differs between them is counted.
FEW_ROUNDS = 4
MANY_ROUNDS = 24
# A worker sleeps in one of these: epoll_wait, epoll_pwait, futex; by their numbers on x86-64.
SLEEPS = {"232", "281", "202"}
POLLS = {"232", "281"}
# How long anything may take; the slowest machine needs a part of it.
PATIENCE_S = 60


class Server:
    """`wharf serve` under valgrind."""

    def __init__(self, arguments, folder):
        self.out = os.path.join(folder, "callgrind")
        workers = str(arguments.workers)
        command = ["valgrind", "--tool=callgrind", "--dump-instr=yes", "--separate-threads=yes", "--fair-sched=try"]
        command += [f"--callgrind-out-file={self.out}", f"--log-file={folder}/valgrind.log", arguments.program]
        command += ["--log", "error", "serve", "--listen", "127.0.0.1:0", "--driver", arguments.driver]
        command += ["--workers", workers, "--max-workers", workers, "--concurrency", workers]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        address = re.search(r"^listening on (\S+):(\d+) driver=(\S+)", line)
        if not address or address.group(3) != arguments.driver:
            self.process.kill()
            sys.exit(f"`{' '.join(command)}` did not start as it was asked to: {line!r}")
        self.address = (address.group(1), int(address.group(2)))

    def threads(self):
        """The names of the threads, in the order in which they were started, which is how valgrind counts them."""
        folder = f"/proc/{self.process.pid}/task"
        return [(thread, read(f"{folder}/{thread}/comm").strip()) for thread in sorted(os.listdir(folder), key=int)]

    def workers(self):
        """Valgrind's numbers of the workers' threads, and the threads."""
        named = enumerate(self.threads(), start=1)
        return {number: thread for number, (thread, name) in named if re.fullmatch(r"wharf-\d+", name)}

    def is_quiet(self):
        calls = [
            read(f"/proc/{self.process.pid}/task/{thread}/syscall").split(" ")[0] for thread in self.workers().values()
        ]
        return all(call in SLEEPS for call in calls) and any(call in POLLS for call in calls)

    def until_quiet(self):
        """Waits until all workers sleep and stay asleep."""
        seen = 0
        deadline = time.monotonic() + PATIENCE_S
        while seen < 3:
            seen = seen + 1 if self.is_quiet() else 0
            if time.monotonic() > deadline:
                sys.exit("the workers do not come to rest")
            time.sleep(0.002)

    def pause(self):
        """Stops it when its workers sleep; returns once no thread of it runs."""
        self.until_quiet()
        self.process.send_signal(signal.SIGSTOP)
        states = {""}
        while states != {"T"}:
            threads = os.listdir(f"/proc/{self.process.pid}/task")
            states = {read(f"/proc/{self.process.pid}/task/{thread}/stat").rsplit(") ", 1)[1][0] for thread in threads}

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        """Ends it; returns the parts of callgrind's output that are the workers'."""
        workers, threads = self.workers(), len(self.threads())
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)
        parts = [f"{self.out}-{number:02}" for number in range(1, threads + 1)]
        if not workers or not all(os.path.exists(part) for part in parts) or os.path.exists(f"{self.out}-{threads + 1:02}"):
            sys.exit("valgrind's threads are not those of the process")
        return [parts[number - 1] for number in workers]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def connect(address):
    connection = socket.create_connection(address, PATIENCE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def receive(connection, size):
    """So many bytes; a connection that ends before is an error."""
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            sys.exit("the server has closed a connection")
        received += part
    return received


def run(arguments, rounds):
    """Starts a server, gives it so many rounds, and returns what its workers did."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(arguments, folder)
        try:
            server.pause()
            connections = [connect(server.address) for _ in range(arguments.connections)]
            server.go_on()
            for number in range(rounds):
                messages = [bytes([number, place % 251]) * (arguments.size // 2) for place in range(len(connections))]
                server.pause()
                for connection, message in zip(connections, messages):
                    connection.sendall(message)
                server.go_on()
                for connection, message in zip(connections, messages):
                    if receive(connection, len(message)) != message:
                        sys.exit("a wrong byte came back")
            server.pause()
            for connection in connections:
                connection.close()
            server.go_on()
            server.until_quiet()
            return Counts(server.end())
        finally:
            server.process.kill()
            server.process.wait()


class Counts:
    """How often each instruction was run, and how many each function has run."""

    def __init__(self, parts):
        self.instructions = collections.Counter()
        self.functions = collections.Counter()
        for part in parts:
            self.add(part)

    def add(self, part):
        """Reads a file of callgrind's format: `--dump-instr=yes`, positions `instr line`."""
        names = {"ob": {}, "fn": {}}
        current = {"ob": "", "fn": ""}
        position = 0
        is_call = False
        for line in open(part, encoding="utf-8"):
            name = re.match(r"(c?)(ob|fn)=\((\d+)\)(?: (.*))?$", line)
            cost = re.match(r"(0x[0-9a-f]+|\+\d+|-\d+|\*) \S+ (\d+)$", line)
            if name:
                called, kind, number, text = name.groups()
                if text is not None:
                    names[kind][number] = text
                if not called:
                    current[kind] = names[kind][number]
            elif line.startswith("calls="):
                # The cost that follows is that of the function that is called, which is told there.
                is_call = True
            elif cost:
                where, count = cost.groups()
                if where[0] in "+-":
                    position += int(where)
                elif where != "*":
                    position = int(where, 16)
                if not is_call:
                    self.instructions[current["ob"], position] += int(count)
                    self.functions[current["fn"]] += int(count)
                is_call = False


def difference(many, few):
    """Only what is not in both. What ran less often in the longer run is negative, so that the sum stays right."""
    return {key: many[key] - few[key] for key in {*many, *few} if many[key] != few[key]}


def locked_addresses(program):
    """Where locked instructions are."""
    command = ["objdump", "--disassemble", "--no-show-raw-insn", program]
    code = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    locked = re.compile(r"\s*([0-9a-f]+):\s+(?:lock\b|xchg\s.*\()")
    return {int(found.group(1), 16) for found in map(locked.match, code.splitlines()) if found}


def places(program, addresses):
    """The functions, and those that were inlined into them, that these addresses are of: from the innermost outwards, without
    those of the standard library."""
    command = ["addr2line", "--functions", "--demangle", "--inlines", "--addresses", "--exe", program]
    said = subprocess.run(command + [hex(address) for address in addresses], capture_output=True, text=True, check=True).stdout
    for block in re.split(r"^0x", said, flags=re.MULTILINE)[1:]:
        lines = block.splitlines()
        frames = []
        for function, source in zip(lines[1::2], lines[2::2]):
            if not re.match(r"<*(?:core|std|alloc)::", function) and "/rustc/" not in source:
                short = re.sub(r"<[^<>]*>", "", re.sub(r"<[^<>]*>", "", function)).split("::")[-1]
                frames.append(f"{short} ({source.split(' ')[0].rsplit('/', 1)[-1]})")
        yield int(lines[0], 16), " < ".join(frames[:4]) or lines[1]


def tell_locked(instructions, echoes):
    """How many locked instructions an echo has, and where."""
    total, by_place = 0, collections.Counter()
    for program in sorted({program for program, _ in instructions if os.path.exists(program)}):
        locked = locked_addresses(program)
        here = {place: count for (name, place), count in instructions.items() if name == program and place in locked}
        total += sum(here.values())
        if here:
            for address, place in places(program, sorted(here)):
                by_place[place] += here[address]
    return total / echoes, listed(by_place, echoes)


def listed(counter, echoes):
    """The most first, for an echo, without what rounds to nothing."""
    each = ((name, round(count / echoes, 2)) for name, count in counter.most_common())
    return [{"name": name, "each": count} for name, count in each if count >= 0.01]


def count(arguments):
    few, many = run(arguments, FEW_ROUNDS), run(arguments, MANY_ROUNDS)
    echoes = (MANY_ROUNDS - FEW_ROUNDS) * arguments.connections
    instructions = difference(many.instructions, few.instructions)
    locked, locked_places = tell_locked(instructions, echoes)
    return {
        "driver": arguments.driver,
        "connections": arguments.connections,
        "workers": arguments.workers,
        "bytes": arguments.size,
        "instructions": round(sum(instructions.values()) / echoes, 1),
        "locked": round(locked, 2),
        "functions": listed(collections.Counter(difference(many.functions, few.functions)), echoes),
        "locked_places": locked_places,
    }


def tell(counted, top):
    print("{driver}, {connections} connections, {bytes} bytes, workers: {workers}".format(**counted))
    print("{instructions:10.1f} instructions an echo in user space\n{locked:10.2f} locked ones".format(**counted))
    for title, key in [("instructions by function", "functions"), ("locked ones by place", "locked_places")]:
        print(f"\n{title}")
        for entry in counted[key][:top]:
            print(f"{entry['each']:10.2f} {entry['name'][:150]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="the command `wharf`, as lab/counts/build builds it")
    parser.add_argument("--driver", choices=["readiness", "uring"], default="readiness")
    parser.add_argument("--connections", type=int, default=64, metavar="N")
    parser.add_argument("--workers", type=int, choices=[1, 2, 4, 8], default=1)
    parser.add_argument("--size", type=int, default=64, metavar="BYTES", help="of a message; an even number")
    parser.add_argument("--top", type=int, default=25, metavar="N", help="how many functions and places are told")
    parser.add_argument("--json", action="store_true", help="all of it as JSON")
    arguments = parser.parse_args()
    if arguments.connections < 1 or arguments.size < 2 or arguments.size % 2:
        parser.error("there must be a connection, and an even number of bytes")
    counted = count(arguments)
    if arguments.json:
        print(json.dumps(counted, indent=2))
    else:
        tell(counted, arguments.top)


main()
