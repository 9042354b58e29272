"""A node with pods in network namespaces, and the same questions put to packets or to the fake datapath.

    outside 192.0.2.50 ── node 192.0.2.1 ──┬─ client  10.244.1.10
                                           ├─ b1      10.244.1.2   (backends on this node)
                                           ├─ b2      10.244.1.3
                                           └─ b3      10.244.2.2   (stands for a pod of node n2)

Every pod is a namespace with one routed veth, in both families. A socket belongs to the namespace it was made in, so one
process serves all backends and asks as every client.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import selectors
import socket
import struct
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FAIRLEAD_BUILD", ROOT / "build/debug"))
DRIVER = BUILD / "tests/datapath/datapath-driver"
CLONE_NEWNET = 0x40000000
BACKEND_PORT = 8080
LIBC = ctypes.CDLL(None, use_errno=True)

PODS = {"client": (1, 0x10, "n1"), "b1": (1, 2, "n1"), "b2": (1, 3, "n1"), "b3": (2, 2, "n2")}


def pod_ip(name, family):
    net, host, _ = PODS[name]
    return f"10.244.{net}.{host}" if family == 4 else f"fd00:244:0:{net}::{host:x}"


def ip_of(name, family):
    if name == "outside":
        return "192.0.2.50" if family == 4 else "2001:db8::50"
    if name == "node":
        return "192.0.2.1" if family == 4 else "2001:db8::1"
    return pod_ip(name, family)


def family_of(address):
    return 6 if ":" in address else 4


class Answer:
    """outcome: ok, refused, timeout; who answered; and whose address the backend saw: client or node."""

    def __init__(self, outcome, who=None, source=None):
        self.outcome, self.who, self.source = outcome, who, source

    def __repr__(self):
        return f"Answer({self.outcome}, {self.who}, {self.source})"


class Driver:
    """One datapath-driver process."""

    def __init__(self, provider, variant, prefix=()):
        command = [*prefix, str(DRIVER), "--provider", provider]
        if variant:
            command += ["--variant", variant]
        assert DRIVER.exists(), f"{DRIVER} is not built"
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, request, argument=None):
        self.process.stdin.write(json.dumps({request: argument or {}}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"datapath-driver ended with {self.process.wait()}"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=20) == 0


class FakeLab:
    """Asks the model. No namespaces, no root."""

    real = False

    def __init__(self):
        self.driver = Driver("fake", None)

    def restart(self):
        self.driver.close()
        self.driver = Driver("fake", None)

    def close(self):
        self.driver.close()

    def _ask(self, source, address, protocol, port):
        family = family_of(address)
        src = ip_of(source, family)
        packet = {"src": src, "dst": address, "protocol": protocol, "port": port,
                  "nodeIPs": [ip_of("node", 4), ip_of("node", 6)]}
        if source != "node":
            packet["interface"] = f"v-{source}"
        result = self.driver.ask("probe", packet)
        outcome = {"forward": "ok", "reject": "refused", "drop": "timeout", "pass": "timeout"}[result["verdict"]]
        if outcome != "ok":
            return Answer(outcome)
        who = next(name for name in PODS if pod_ip(name, family) == result["ip"])
        return Answer("ok", who, "node" if result["masqueraded"] else "client")

    def tcp(self, source, address, port):
        return self._ask(source, address, "tcp", port)

    def udp(self, source, address, port, sport=0, payload=b"?"):
        return self._ask(source, address, "udp", port)

    def ping(self, source, address):
        return self._ask(source, address, "icmp", 0).outcome == "ok"


class Servers(threading.Thread):
    """Every backend answers `name peer` on TCP and UDP."""

    def __init__(self, sockets):
        super().__init__(daemon=True)
        self.selector = selectors.DefaultSelector()
        self.wake, self.wakened = socket.socketpair()
        self.selector.register(self.wakened, selectors.EVENT_READ, None)
        for name, s in sockets:
            self.selector.register(s, selectors.EVENT_READ, name)

    def run(self):
        while True:
            for key, _ in self.selector.select():
                if key.data is None:
                    return
                self.answer(key.fileobj, key.data)

    @staticmethod
    def answer(s, name):
        with contextlib.suppress(OSError):
            if s.type == socket.SOCK_STREAM:
                peer, address = s.accept()
                with peer:
                    peer.sendall(f"{name} {address[0]}".encode())
            else:
                data, address = s.recvfrom(65536)
                s.sendto(f"{name} {address[0]} {len(data)}".encode(), address)

    def stop(self):
        self.wake.send(b"x")
        self.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.wake.close()


class NetnsLab:
    """Real packets through one provider on the node."""

    real = True
    count = 0

    def __init__(self, provider, variant):
        NetnsLab.count += 1
        self.provider, self.variant = provider, variant
        self.prefix = f"fl{os.getpid()}x{NetnsLab.count}"
        self.namespaces = ["node", "outside", *PODS]
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.fds = {}
        self.servers = self.driver = None
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    def name(self, who):
        return f"{self.prefix}-{who}"

    def sh(self, who, *command, input=None, check=True):
        done = subprocess.run(["ip", "netns", "exec", self.name(who), *command], input=input, text=True,
                              capture_output=True)
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def ip_batch(self, lines, who=None):
        command = ["ip"] + (["-n", self.name(who)] if who else []) + ["-batch", "-"]
        done = subprocess.run(command, input="\n".join(lines), text=True, capture_output=True)
        assert done.returncode == 0, f"{lines}: {done.stderr}"

    def sysctl(self, who, values):
        with self.inside(who):
            for key, value in values.items():
                pathlib.Path("/proc/sys", key.replace(".", "/")).write_text(value)

    def build(self):
        self.ip_batch([f"netns add {self.name(n)}" for n in self.namespaces])
        for n in self.namespaces:
            self.fds[n] = os.open(f"/run/netns/{self.name(n)}", os.O_RDONLY | os.O_CLOEXEC)
            # Without these, addresses would be unusable for a second.
            self.sysctl(n, {"net.ipv6.conf.default.accept_dad": "0", "net.ipv6.conf.all.accept_dad": "0"})
        # ICMP errors are limited per destination; the tests ask faster than any client.
        self.sysctl("node", {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1",
                             "net.ipv4.icmp_ratelimit": "0", "net.ipv4.icmp_msgs_per_sec": "100000",
                             "net.ipv6.icmp.ratelimit": "0",
                             "net.ipv4.conf.all.rp_filter": "0", "net.ipv4.conf.default.rp_filter": "0"})
        for n in ["outside", *PODS]:
            self.ip_batch([f"link add v-{n} netns {self.name('node')} type veth peer name eth0 netns {self.name(n)}"])
        node = ["link set lo up", "addr add 192.0.2.1/24 dev v-outside", "addr add 2001:db8::1/64 dev v-outside nodad",
                "link set v-outside up"]
        for n in PODS:
            node += [f"link set v-{n} up", f"addr add 169.254.1.1/32 dev v-{n}", f"addr add fe80::1/64 dev v-{n} nodad",
                     f"route add {pod_ip(n, 4)}/32 dev v-{n}", f"route add {pod_ip(n, 6)}/128 dev v-{n}"]
            self.ip_batch(["link set lo up", f"addr add {pod_ip(n, 4)}/32 dev eth0",
                           f"addr add {pod_ip(n, 6)}/128 dev eth0 nodad", "link set eth0 up",
                           "route add 169.254.1.1 dev eth0", "route add default via 169.254.1.1 dev eth0 onlink",
                           "route add ::/0 via fe80::1 dev eth0"], n)
        self.ip_batch(["link set lo up", "addr add 192.0.2.50/24 dev eth0", "addr add 2001:db8::50/64 dev eth0 nodad",
                       "link set eth0 up", "route add default via 192.0.2.1",
                       "route add ::/0 via 2001:db8::1"], "outside")
        # The node needs a way for virtual addresses, or its own packets to them end before any rule.
        node += ["route add default via 192.0.2.50", "route add ::/0 via 2001:db8::50"]
        self.ip_batch(node, "node")
        self.servers = Servers(list(self.listen()))
        self.servers.start()
        self.wait_for_neighbours()
        self.start_driver()

    def wait_for_neighbours(self):
        """IPv6 needs a moment until both ends of a link believe in each other."""
        for n in ["outside", *PODS]:
            for family in (4, 6):
                end = time.monotonic() + 10
                while not self.ping(n, ip_of("node", family)) or not self.ping("node", ip_of(n, family)):
                    assert time.monotonic() < end, f"{n} does not reach the node over IPv{family}"

    def listen(self):
        for n in PODS:
            for family in (socket.AF_INET, socket.AF_INET6):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    for port in (BACKEND_PORT, BACKEND_PORT + 1):
                        s = self.socket(n, family, kind)
                        if family == socket.AF_INET6:
                            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                        s.bind(("", port))
                        if kind == socket.SOCK_STREAM:
                            s.listen(64)
                        yield n, s

    @contextlib.contextmanager
    def inside(self, who):
        assert LIBC.setns(self.fds[who], CLONE_NEWNET) == 0
        try:
            yield
        finally:
            assert LIBC.setns(self.home, CLONE_NEWNET) == 0

    def socket(self, who, family, kind, protocol=0):
        with self.inside(who):
            return socket.socket(family, kind, protocol)

    def start_driver(self):
        self.driver = Driver(self.provider, self.variant, ["ip", "netns", "exec", self.name("node")])

    def restart(self):
        self.driver.close()
        self.start_driver()

    def close(self):
        if self.driver:
            self.driver.close()
        if self.servers:
            self.servers.stop()
        for fd in self.fds.values():
            os.close(fd)
        os.close(self.home)
        for n in self.namespaces:
            subprocess.run(["ip", "netns", "del", self.name(n)], capture_output=True)

    def answer(self, source, family, text):
        who, peer = text.split()[:2]
        return Answer("ok", who, "client" if peer == ip_of(source, family) else "node")

    def ask(self, source, address, port, kind, sport, payload):
        family = family_of(address)
        af = socket.AF_INET if family == 4 else socket.AF_INET6
        with self.socket(source, af, kind) as s:
            s.settimeout(0.5)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if source == "node" or sport:
                s.bind((ip_of(source, family) if not sport else "", sport))
            try:
                s.connect((address, port))
                if kind == socket.SOCK_DGRAM:
                    with contextlib.suppress(PermissionError):  # refused on the way out; the reason comes next
                        s.send(payload)
                text = s.recv(4096).decode()
            except ConnectionRefusedError:
                return Answer("refused")
            except (TimeoutError, socket.timeout):
                return Answer("timeout")
        if not text:
            return Answer("refused")
        return self.answer(source, family, text)

    def tcp(self, source, address, port):
        return self.ask(source, address, port, socket.SOCK_STREAM, 0, b"")

    def udp(self, source, address, port, sport=0, payload=b"?"):
        return self.ask(source, address, port, socket.SOCK_DGRAM, sport, payload)

    def ping(self, source, address):
        """True if an echo reply comes from the address."""
        v4 = family_of(address) == 4
        af, protocol = (socket.AF_INET, socket.IPPROTO_ICMP) if v4 else (socket.AF_INET6, socket.IPPROTO_ICMPV6)
        with self.socket(source, af, socket.SOCK_RAW, protocol) as s:
            s.settimeout(0.3)
            header = struct.pack("!BBHHH", 8 if v4 else 128, 0, 0, 77, 1)
            if v4:
                total = sum(struct.unpack("!4H", header))
                header = struct.pack("!BBHHH", 8, 0, ~((total & 0xffff) + (total >> 16)) & 0xffff, 77, 1)
            with contextlib.suppress(PermissionError):
                s.sendto(header, (address, 0))
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                try:
                    data, peer = s.recvfrom(1500)
                except (TimeoutError, socket.timeout, OSError):
                    return False
                if data[20 if v4 else 0] == (0 if v4 else 129) and peer[0] == address:
                    return True
        return False


def open_lab(which):
    provider, _, variant = which.partition("-")
    return FakeLab() if provider == "fake" else NetnsLab(provider, variant)
