"""The programs that are measured, with settings that are the same for all, and the upstreams behind them."""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Requests for these hosts go to the upstream of our own; HAProxy splices for those that are named `SPLICED`.
OWN = ("echo.bench.test", "up.bench.test")
SPLICED = ("big.bench.test", "up.bench.test")
MORE = ("big.bench.test", "up.bench.test", "echo.bench.test")


@dataclasses.dataclass
class Settings:
    directory: pathlib.Path
    load: pathlib.Path  # The binary of benches/peers/load.
    proxy_cpu: int
    load_cpu: int
    hosts: int = 1000
    logs: bool = True
    recent: bool = True  # Parvis remembers requests, for `parvis explain`.
    burst: int = 0  # Requests that fall due together, if not as many as the case says.

    def names(self):
        return [f"h{n}.bench.test" for n in range(self.hosts)]


def build():
    """Builds the load, and Parvis with it. Returns the load's binary."""
    cargo = [os.environ.get("CARGO", "cargo"), "bench", "--locked", "--no-run", "--bench", "load"]
    built = subprocess.run([*cargo, "--message-format=json-render-diagnostics"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        sys.exit("the build failed")
    artifacts = (json.loads(line) for line in built.stdout.splitlines() if line.startswith("{"))
    return next(a["executable"] for a in artifacts if a.get("target", {}).get("name") == "load" and a.get("executable"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process, log):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"{process.args[0]} ended with {process.returncode}\n{pathlib.Path(log).read_text()}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def start(arguments, cpu, log, **options):
    def pin():
        os.sched_setaffinity(0, {cpu})

    return subprocess.Popen(arguments, preexec_fn=pin, stdout=log, stderr=log, start_new_session=True, **options)


def end(process):
    """Ends a process and its children, and waits until their ports are free."""
    pids = children(process.pid)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    deadline = time.monotonic() + 20
    while any(os.path.exists(f"/proc/{pid}") for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)


def children(pid):
    pids = [pid]
    for parent in pids:
        listing = pathlib.Path(f"/proc/{parent}/task/{parent}/children")
        if listing.exists():
            pids += [int(child) for child in listing.read_text().split()]
    return pids


def cpu_seconds(pid):
    """CPU time of a process, its threads and children, from the scheduler: nanosecond accounting."""
    total = 0
    for one in children(pid):
        for stat in pathlib.Path(f"/proc/{one}/task").glob("*/schedstat"):
            try:
                total += int(stat.read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                pass
    return total / 1e9


def resident_kib(pid):
    total = 0
    for one in children(pid):
        match = re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{one}/status").read_text())
        total += int(match.group(1)) if match else 0
    return total


def certificate(directory):
    """A P-256 certificate for all hosts: cert.pem, key.pem, and both in pair.pem."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=bench.test", "-addext", "subjectAltName=DNS:*.bench.test,DNS:bench.test",
         "-keyout", directory / "key.pem", "-out", directory / "cert.pem"], check=True, capture_output=True)
    (directory / "pair.pem").write_bytes((directory / "cert.pem").read_bytes() + (directory / "key.pem").read_bytes())


class Upstreams:
    """An nginx that answers from memory and from files, and one of our own for uploads and WebSocket."""

    def __init__(self, settings):
        self.settings = settings
        self.files, self.own = free_port(), free_port()
        home = settings.directory / "upstream"
        home.mkdir()
        (home / "100k").write_bytes(bytes(range(250)) * 400)
        (home / "10m").write_bytes(bytes(range(250)) * 40_000)
        (home / "nginx.conf").write_text(
            f"daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log;\n"
            "events { worker_connections 19000; }\n"
            "http { access_log off; keepalive_requests 100000000; keepalive_timeout 600s;\n"
            f" server {{ listen 127.0.0.1:{self.files} backlog=4096; location / {{ return 200 'hello from the upstream\\n'; }}"
            f" location /100k {{ alias {home}/100k; }} location /10m {{ alias {home}/10m; }} }} }}\n"
        )
        self.processes = {
            self.files: self.launch(home / "log", self.files, ["nginx", "-c", str(home / "nginx.conf")]),
            self.own: self.launch(home / "own.log", self.own, [str(settings.load), "upstream", f"127.0.0.1:{self.own}"]),
        }

    def launch(self, log, port, command):
        process = start(command, self.settings.load_cpu, open(log, "w"))
        wait_for(port, process, log)
        return process

    def port(self, host):
        return self.own if host in OWN else self.files

    def stop(self):
        for process in self.processes.values():
            end(process)


class Program:
    """A program that is measured: one worker on one CPU, a clear port and one with TLS."""

    name = ""
    packages = {}  # Commands it needs, and Debian's packages of them.
    pace = 1.0  # The part of a case's rate that it is asked at.
    asked = None  # The command that tells its version.
    idles = True  # Whether connections that wait are its own matter.

    def __init__(self, settings, upstreams):
        self.settings, self.upstreams = settings, upstreams
        self.directory = settings.directory / re.sub(r"\W", "-", self.name.lower())
        self.clear, self.tls = free_port(), free_port()

    def launch(self):
        self.directory.mkdir()
        log = self.directory / "log"
        self.process = start(self.command(), self.settings.proxy_cpu, open(log, "w"), env={**os.environ, **self.environment()})
        for port in self.ports():
            wait_for(port, self.process, log)

    def stop(self):
        end(self.process)
        shutil.rmtree(self.directory, ignore_errors=True)

    @classmethod
    def version(cls):
        """What it says of itself."""
        if not cls.asked:
            return ""
        said = subprocess.run([str(word) for word in cls.asked()], capture_output=True, text=True)
        number = re.search(r"\d+\.\d+\.\d+\S*", said.stdout + said.stderr)
        return number.group() if number else ""

    def environment(self):
        return {}

    def ports(self):
        return [self.clear, self.tls]

    def can(self, case):
        """Whether it does such work."""
        return True

    def port(self, case):
        return self.tls if case.secure else self.clear

    def pid(self, case):
        """Whose CPU time is measured."""
        return self.process.pid


class Parvis(Program):
    name = "Parvis"
    binary = ROOT / "target/release/parvis"
    workers = 1

    @classmethod
    def asked(cls):
        return cls.binary, "--version"

    def command(self):
        d, settings = self.directory, self.settings
        (d / "accounts.d").mkdir()
        for n, host in enumerate([*settings.names(), *MORE]):
            (d / "accounts.d" / f"a{n}.toml").write_text(
                f'[limits]\nin_flight = 1000\n[[upstream]]\nname = "web"\naddress = "127.0.0.1:{self.upstreams.port(host)}"\n'
                f'[[site]]\nname = "www"\naddresses = ["{host}"]\nupstream = "web"\n'
            )
        listen = "".join(
            f'[[listen]]\naddress = "127.0.0.1:{port}"\ntls = {str(tls).lower()}\n'
            for port, tls in ((self.clear, False), (self.tls, True))
        )
        (d / "parvis.toml").write_text(
            f'[node]\nworkers = {self.workers}\nstate = "{d}/state"\n{listen}[accounts]\ndirectory = "accounts.d"\n'
            f'[certificates]\ndefault = "{d.parent}/pair.pem"\n[logs]\naccess = {str(settings.logs).lower()}\n'
            f'directory = "{d}/logs"\n'
            '[limits]\nconnections_per_client = "unlimited"\nhandshakes_per_client = "unlimited"\n'
            f'[admin]\nsocket = "{d}/admin.sock"\n' + ("" if settings.recent else "recent_requests = 0\n")
        )
        return [str(self.binary), "run", "--config", str(d / "parvis.toml")]


class Before(Parvis):
    """Another build of Parvis, named by --before."""

    name = "before"


class Nginx(Program):
    name = "nginx"
    packages = {"nginx": "nginx"}

    @classmethod
    def asked(cls):
        return "nginx", "-v"

    def command(self):
        d, settings = self.directory, self.settings
        log = f"access_log {d}/access.log combined buffer=64k" if settings.logs else "access_log off"
        pass_on = (
            "proxy_http_version 1.1; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;"
        )

        def server(name, location, connection, upgrade=""):
            upstream = name.split(".")[0]
            return (
                f"upstream {upstream} {{ server 127.0.0.1:{self.upstreams.port(name)}; {kept} }}\n"
                f"server {{ listen 127.0.0.1:{self.clear}; listen 127.0.0.1:{self.tls} ssl http2; server_name {name};"
                f" location {location} {{ proxy_pass http://{upstream}; {pass_on}"
                f" proxy_set_header Connection {connection};{upgrade} }} }}\n"
            )

        # An upstream a host, as in Parvis: they are different customers' servers.
        kept = "keepalive 50; keepalive_requests 100000000;"
        servers = "".join(server(name, "/", "''") for name in [*settings.names(), "big.bench.test", "up.bench.test"])
        servers += server("echo.bench.test", "/echo", "upgrade", " proxy_set_header Upgrade $http_upgrade;")
        # Bodies stream, as they do in the others: no temporary files, and an upload is not awaited first. Buffers are as
        # large as HAProxy's: with those of 4 KB that are the default, 100 KB cost twice as much.
        stream = ("proxy_request_buffering off; proxy_max_temp_file_size 0; client_max_body_size 0;"
                  " proxy_buffer_size 16k; proxy_buffers 8 16k;")
        (d / "nginx.conf").write_text(
            f"daemon off; worker_processes 1; pid {d}/pid; error_log {d}/error.log;\n"
            "events { worker_connections 19000; }\n"
            f"http {{ {log}; server_names_hash_max_size 8192; keepalive_requests 100000000;\n"
            f" ssl_certificate {d.parent}/cert.pem; ssl_certificate_key {d.parent}/key.pem; ssl_protocols TLSv1.3;\n"
            f" {stream}\n{servers} }}\n"
        )
        return ["nginx", "-c", str(d / "nginx.conf")]


class Haproxy(Program):
    name = "HAProxy"
    binary = "haproxy"
    packages = {"haproxy": "haproxy"}

    @classmethod
    def asked(cls):
        return cls.binary, "-v"

    def command(self):
        d, settings = self.directory, self.settings
        # A backend a host, as in Parvis: they are different customers' servers.
        backend = {name: name.split(".")[0] for name in [*settings.names(), *MORE]}
        (d / "hosts.map").write_text("".join(f"{name} {to}\n" for name, to in backend.items()))
        # Its log goes to a datagram socket, as to a syslog daemon: a file is not among its outputs.
        log = f"log {d}/log.sock local0 info" if settings.logs else ""
        option = "log global\n option httplog" if settings.logs else ""
        # Its pipes are as large as Parvis': with those of the default, 64 KB, 10 MB cost it a tenth more.
        splice = " option splice-request\n option splice-response\n"
        backends = "".join(
            f"backend {name}\n http-reuse always\n{splice if host in SPLICED else ''}"
            f" server s 127.0.0.1:{self.upstreams.port(host)}\n"
            for host, name in backend.items()
        )
        (d / "haproxy.cfg").write_text(
            f"global\n nbthread 1\n maxconn 10100\n maxpipes 64\n tune.pipesize 262144\n no strict-limits\n {log}\n"
            f"defaults\n mode http\n {option}\n timeout client 60s\n timeout server 60s\n timeout connect 5s\n"
            f"frontend f\n bind 127.0.0.1:{self.clear}\n"
            f" bind 127.0.0.1:{self.tls} ssl crt {d.parent}/pair.pem alpn h2,http/1.1 ssl-min-ver TLSv1.3\n"
            f" option forwardfor\n use_backend %[req.hdr(host),field(1,:),lower,map({d}/hosts.map)]\n{backends}"
        )
        if settings.logs:
            self.drain = start([str(settings.load), "drain", str(d / "log.sock")], settings.load_cpu, open(d / "drain.log", "w"))
        return [str(self.binary), "-f", str(d / "haproxy.cfg"), "-db"]

    def stop(self):
        super().stop()
        if self.settings.logs:
            end(self.drain)


class OwnHaproxy(Haproxy):
    """Another build of HAProxy, named by --haproxy."""

    name = "HAProxy (own build)"
    packages = {}


class Caddy(Program):
    name = "Caddy"
    binary = None
    pace = 0.3  # It would not keep up with the rate of the others.

    @classmethod
    def asked(cls):
        return cls.binary, "version"

    def environment(self):
        home = str(self.directory)
        return {"GOMAXPROCS": "1", "HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}

    def command(self):
        d, settings = self.directory, self.settings
        routes = [
            {"match": [{"host": [name]}], "terminal": True, "handle": [{
                "handler": "reverse_proxy",
                "upstreams": [{"dial": f"127.0.0.1:{self.upstreams.port(name)}"}],
                "transport": {"protocol": "http", "compression": False, "keep_alive": {"max_idle_conns_per_host": 256}},
            }]}
            for name in [*settings.names(), *MORE]
        ]
        logged = {"logs": {}} if settings.logs else {}
        server = {"automatic_https": {"disable": True}, "routes": routes, **logged}
        (d / "caddy.json").write_text(json.dumps({
            "admin": {"disabled": True, "config": {"persist": False}},
            "logging": {"logs": {
                "default": {"level": "ERROR", "exclude": ["http.log.access"]},
                "access": {"include": ["http.log.access"],
                           "writer": {"output": "file", "filename": str(d / "access.log"), "roll": False}},
            }},
            "apps": {
                "tls": {"certificates": {"load_files": [
                    {"certificate": str(d.parent / "cert.pem"), "key": str(d.parent / "key.pem")}]}},
                "http": {"servers": {
                    "clear": {"listen": [f"127.0.0.1:{self.clear}"], "protocols": ["h1"], **server},
                    "tls": {"listen": [f"127.0.0.1:{self.tls}"], "protocols": ["h1", "h2"],
                            "tls_connection_policies": [{"protocol_min": "tls1.3"}], **server},
                }},
            },
        }))
        return [str(self.binary), "run", "--config", str(d / "caddy.json")]


class Copy(Program):
    """The floor: bytes both ways, without a look at them."""

    name = "copy-only"
    idles = False

    def command(self):
        # What stands for a TLS port is the clear way to the other upstream.
        ways = [(self.clear, self.upstreams.files), (self.tls, self.upstreams.own)]
        return [str(self.settings.load), "forward", *(f"127.0.0.1:{port}" for way in ways for port in way)]

    def can(self, case):
        return not case.secure

    def port(self, case):
        return self.tls if case.host in OWN else self.clear


class Splice(Copy):
    """The floor of large bodies: the same through a pipe, with nothing copied."""

    name = "splice-only"

    def command(self):
        return [*super().command(), "--splice"]

    def can(self, case):
        return not case.secure and bool(case.bulk)


class Directly(Program):
    """No proxy: what the upstream itself costs."""

    name = "directly"
    idles = False

    def launch(self):
        pass

    def stop(self):
        pass

    def can(self, case):
        return not case.secure

    def port(self, case):
        return self.upstreams.port(case.host)

    def pid(self, case):
        return self.upstreams.processes[self.port(case)].pid


PROGRAMS = {kind.name: kind for kind in (Parvis, Before, Nginx, Haproxy, OwnHaproxy, Caddy, Copy, Splice, Directly)}
