"""The proxies that are compared: what each is started with, and what is spoken through it."""

import os
import re
import shutil
import string
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from .cases import DESCRIPTORS

PACKAGES = ("nginx", "haproxy")  # each has the program of its name
WHERE = f"{os.environ['PATH']}:/usr/sbin:/sbin"


class Missing(Exception):
    """Something that has to be there is not."""


class Config(string.Template):
    delimiter = "%"  # means nothing in the files below


# As it is shipped, but for what an upgrade and so many connections need, and with no log.
NGINX = Config("""\
daemon off;
worker_processes 1;  # there is one CPU
pid %folder/nginx.pid;
error_log stderr;
events {
    # Two for each session of the idle case and a sixteenth more, which nginx keeps free by closing
    # clients that it waits for; 768 as shipped.
    worker_connections 20000;
    %events
}
http {
    access_log off;
    client_body_temp_path %folder/body;
    proxy_temp_path %folder/proxy;
    fastcgi_temp_path %folder/fastcgi;
    scgi_temp_path %folder/scgi;
    uwsgi_temp_path %folder/uwsgi;
    server {
        listen %address;
        location / {
            proxy_pass http://%backend;
            # The three that nginx wants for a WebSocket.
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_read_timeout 1h;  # a silent session is in order
            %location
        }
    }
}
""")
NGINX_TUNED = {
    # Takes all clients that wait, not one at each wake-up.
    "events": "multi_accept on;",
    # The buffer of each direction of an upgraded connection; 4 KiB as shipped. The second line does
    # nothing for a WebSocket, but nginx wants the buffers of plain answers to be no smaller.
    "location": "proxy_buffer_size 64k; proxy_buffers 4 64k;",
}

# As it is shipped, but for what so many connections need, and with no log.
HAPROXY = Config("""\
global
    nbthread 1  # there is one CPU
    maxconn %connections
    %tuning
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
    timeout tunnel 1h  # a silent session is in order
    %options
frontend clients
    bind fd@%descriptor
    default_backend servers
backend servers
    server one %backend
""")
HAPROXY_TUNED = {
    # The buffer of each direction; 16 KiB as shipped. Pipes are for the line below, and fewer than
    # haproxy would make room for, so that they fit among the open files.
    "tuning": "tune.bufsize 65536\n    maxpipes 500",
    # Large payloads stay in the kernel.
    "options": "option splice-auto",
}


@dataclass(frozen=True)
class Proxy:
    """A proxy that prints where it listens."""

    name: str  # of its column
    command: tuple  # what comes before the addresses
    announces: re.Pattern = re.compile(r"^(127\.0\.0\.1:\d+)$")
    url: str = "{backend}"  # how it is told the backend
    client: str = "rfc6455"  # what the clients speak; the backend always speaks rfc6455
    threads: str = ""  # with what the names of those begin whose CPU time is counted

    def start(self, backend):
        addresses = ("--listen", "127.0.0.1:0", "--backend", self.url.format(backend=backend))
        return (*self.command, *addresses)


@dataclass(frozen=True)
class Configured:
    """A proxy with a configuration file, which is given the socket that it listens on: so the system
    can choose its port as well."""

    name: str
    program: str
    config: Config
    tuning: dict
    client: str = "rfc6455"
    threads: str = ""

    def start(self, backend, listener, folder):
        """The command, and what it needs in its environment."""
        host, port = listener.getsockname()
        words = {"events": "", "location": "", "tuning": "", "options": "", **self.tuning}
        file = Path(folder, "config")
        file.write_text(self.config.substitute(
            words, backend=backend, address=f"{host}:{port}", descriptor=listener.fileno(),
            folder=folder, connections=DESCRIPTORS // 2))
        if self.program == "nginx":
            # How nginx hands its sockets to the next version of itself.
            return (find("nginx"), "-p", folder, "-c", file), {"NGINX": f"{listener.fileno()};"}
        return (find("haproxy"), "-db", "-f", file), {}


def find(program):
    path = shutil.which(program, path=WHERE)
    if not path:
        raise Missing(f"{program} is not installed; --install does that, as root with apt-get")
    return path


def install():
    """Installs the packages that are missing. Debian may start them as services, on other ports."""
    missing = [name for name in PACKAGES if not shutil.which(name, path=WHERE)]
    if missing:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-q"], check=True, stdout=2)
        subprocess.run(["apt-get", "install", "-qy", "--no-install-recommends", *missing],
                       check=True, stdout=2, env=environment)


def ours(hybridge):
    """hybridge in each way that it can pass RFC 6455 or be spoken to in it."""
    if not os.access(hybridge, os.X_OK):
        raise Missing(f"no program {hybridge}; cargo build --release makes it")
    serve = (hybridge, "serve", "--backend-dialect", "rfc6455")
    listening = re.compile(r"listening.*?(127\.0\.0\.1:\d+)")

    def way(name, *options, client="rfc6455"):
        return Proxy(name, (*serve, *options), listening, "ws://{backend}", client)

    ways = [way("hixie-76 → rfc6455", client="hixie-76"), way("rfc6455, checked")]
    if "--tunnel" in output(hybridge, "serve", "--help"):
        ways.append(way("rfc6455, tunnelled", "--tunnel"))
    return ways


def recording(ways, folder):
    """The same ways, which record what is said; and what that costs the sessions' own threads."""
    record = ("--record", str(folder))
    recorded = [replace(way, name=f"{way.name}, recorded", command=(*way.command, *record))
                for way in ways if "--tunnel" not in way.command]
    workers = [replace(way, name=f"{way.name}, workers alone", threads="worker") for way in recorded]
    return recorded + workers


def baseline(target):
    return Proxy("copy loop", (target / "copyloop",))


def others():
    return [
        Configured("nginx", "nginx", NGINX, {}),
        Configured("nginx, tuned", "nginx", NGINX, NGINX_TUNED),
        Configured("haproxy", "haproxy", HAPROXY, {}),
        Configured("haproxy, tuned", "haproxy", HAPROXY, HAPROXY_TUNED),
    ]


def versions(hybridge, proxies):
    """What ran, in one line."""
    kernel = f"Linux {os.uname().release.split('-')[0]}"
    found = [kernel, output(hybridge, "--version").strip()]
    for program in {proxy.program: None for proxy in proxies if isinstance(proxy, Configured)}:
        said = output(find(program), "-v")
        found.append(f"{program} {re.search(r'[0-9]+[.][0-9.]+[0-9]', said)[0]}")
    return ", ".join(found)


def output(*command):
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    return done.stdout
