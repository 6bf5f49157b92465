"""Drives the programs through the cases, in rounds, and measures them meanwhile."""

import json
import os
import subprocess
import sys

import programs


class Load:
    """The load at one program. It says when its connections are open, and waits then; see load/run.rs."""

    def __init__(self, settings, what, arguments):
        self.process = subprocess.Popen(
            [settings.load, what, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {settings.load_cpu}))

    def read(self, program):
        line = self.process.stdout.readline()
        if not line:
            self.process.stdin.close()
            sys.exit(f"{program.name}: the load failed: {self.process.stderr.read()}")
        return line

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        self.process.communicate()


def arguments(program, case, connections):
    """What the load is told for a case, or for connections that idle."""
    return [f"127.0.0.1:{program.port(case)}", "--tls", case.tls, "--connections", connections, "--host", case.host]


def driven(program, case, seconds):
    """The load of a case at a program: its connections are open, and it waits to go on."""
    settings = program.settings
    load = Load(settings, "run", [
        *arguments(program, case, case.connections), "--hosts", settings.hosts, "--path", case.path,
        "--mode", case.mode, "--streams", case.streams, "--burst", settings.burst or case.burst,
        "--upload", case.upload, "--answer", case.answer, "--rate", case.rate * program.pace, "--seconds", seconds])
    load.read(program)
    return load


def once(program, case, seconds):
    """One round of one program."""
    load = driven(program, case, seconds)
    upstream = program.upstreams.processes[program.upstreams.port(case.host)].pid
    pids = (program.pid(case), load.process.pid, upstream)
    before = [programs.cpu_seconds(pid) for pid in pids]
    load.go_on()
    figures = json.loads(load.read(program))
    own, driving, behind = (programs.cpu_seconds(pid) - then for pid, then in zip(pids, before))
    figures["cpu"] = own / figures["answered"] * 1e6
    figures["resident"] = programs.resident_kib(program.pid(case)) * 1024
    figures["busy"] = own / figures["seconds"]
    figures["load busy"] = (driving + behind) / figures["seconds"]
    load.end()
    return figures


def rounds(kinds, case, count, seconds):
    """All rounds of a case, by program: interleaved, so that what else the machine does meanwhile falls on all, and each
    time another begins."""
    kinds = [program for program in kinds if program.can(case)]
    measured = {program.name: [] for program in kinds}
    for program in kinds:
        once(program, case, min(1, seconds))
    for number in range(count):
        first = number % len(kinds)
        for program in kinds[first:] + kinds[:first]:
            measured[program.name].append(once(program, case, seconds))
    return measured


def idle_bytes(program, case, count):
    """Resident bytes per idle connection, beyond what the process has with ten of them."""
    # A process keeps what it once had: each measurement has one of its own.
    program.stop()
    program.launch()

    def held(connections):
        load = Load(program.settings, "idle", arguments(program, case, connections))
        load.read(program)
        return load

    few = held(10)
    before = programs.resident_kib(program.pid(case))
    many = held(count)
    used = programs.resident_kib(program.pid(case)) - before
    few.end()
    many.end()
    return used * 1024 / count
