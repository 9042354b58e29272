"""fairlead proxy beside a fairlead server, in a network namespace, with real packets through iptables."""
import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import program
import pytest
import rest
from test_start import status_of, wait_for

POD = "import http.server as h\nclass H(h.BaseHTTPRequestHandler):\n" \
      " def do_GET(s):\n  s.send_response(200); s.end_headers(); s.wfile.write(b'pod')\n" \
      " def log_message(s, *a): pass\nh.HTTPServer(('0.0.0.0', 8080), H).serve_forever()"
SERVICES = "/api/v1/namespaces/default/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"

libc = ctypes.CDLL(None, use_errno=True)


def ip(*args):
    subprocess.run(["ip", *args], check=True)


class Node:
    """A namespace with a server and a proxy, and another one with a pod."""

    def __init__(self):
        self.name, self.pod_name = f"fl-node-{os.getpid()}", f"fl-pod-{os.getpid()}"
        for ns in (self.name, self.pod_name):
            ip("netns", "add", ns)
            ip("-n", ns, "link", "set", "lo", "up")
        ip("-n", self.name, "link", "add", "pod0", "type", "veth", "peer", "name", "eth0", "netns", self.pod_name)
        for ns, device, address, gateway in ((self.name, "pod0", "10.200.0.1/24", "10.200.0.2"),
                                             (self.pod_name, "eth0", "10.200.0.2/24", "10.200.0.1")):
            ip("-n", ns, "addr", "add", address, "dev", device)
            ip("-n", ns, "link", "set", device, "up")
            ip("-n", ns, "route", "add", "default", "via", gateway)
        self.pod = subprocess.Popen(["ip", "netns", "exec", self.pod_name, "/usr/bin/python3", "-c", POD])
        self.prefix = ["ip", "netns", "exec", self.name]
        self.server = program.Server(prefix=self.prefix)
        self.proxy = None
        self.log = self.server.dir / "proxy.log"

    @contextlib.contextmanager
    def inside(self):
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        assert libc.setns(there, 0) == 0
        try:
            yield
        finally:
            assert libc.setns(home, 0) == 0
            os.close(home)
            os.close(there)

    def request(self, method, path, body=None):
        with self.inside():
            api = rest.Api(self.server)
            answer = api.request(method, path, body)
            api.close()
        return answer

    def start_proxy(self):
        with open(self.log, "ab") as log:
            self.proxy = subprocess.Popen([*self.prefix, program.FAIRLEAD, "proxy", "--kubeconfig", self.server.kubeconfig,
                                           "--hostname-override", "here", "--proxy-mode", "iptables"], stderr=log)

    def stop_proxy(self, signo=signal.SIGTERM):
        self.proxy.send_signal(signo)
        code = self.proxy.wait(20)
        self.proxy = None
        return code

    def curl(self, url):
        done = subprocess.run([*self.prefix, "curl", "-s", "-m", "2", url], capture_output=True, text=True)
        return done.stdout == "pod"

    def rules(self):
        text = subprocess.run([*self.prefix, "iptables-save"], capture_output=True, text=True, check=True).stdout
        return [re.sub(r"\[\d+:\d+\]", "", line) for line in text.splitlines() if "KUBE" in line]

    def close(self):
        if self.proxy:
            self.stop_proxy(signal.SIGKILL)
        code = self.server.stop()
        self.pod.kill()
        self.pod.wait()
        for ns in (self.name, self.pod_name):
            ip("netns", "del", ns)
        shutil.rmtree(self.server.dir)
        assert code == 0


@pytest.fixture
def node():
    node = Node()
    try:
        yield node
    finally:
        node.close()


def test_a_proxy_by_itself(node):
    node.server.flags[node.server.flags.index("--secure-port") + 1] = "6443"  # the same after a restart
    node.server.start()
    addresses = {"addresses": [{"type": "InternalIP", "address": "10.200.0.1"}]}
    assert node.request("POST", "/api/v1/nodes", {"metadata": {"name": "here"}, "status": addresses}).status == 201
    node.start_proxy()
    body = {"metadata": {"name": "web"}, "spec": {"type": "NodePort", "ports": [{"port": 80, "targetPort": 8080}]}}
    made = node.request("POST", SERVICES, body).json
    address, port = made["spec"]["clusterIP"], made["spec"]["ports"][0]["nodePort"]
    endpoints = {"metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
                 "endpoints": [{"addresses": ["10.200.0.2"], "conditions": {"ready": True}}],
                 "ports": [{"port": 8080, "protocol": "TCP", "name": ""}]}
    assert node.request("POST", SLICES, endpoints).status == 201
    url = f"http://{address}/"
    wait_for(lambda: node.curl(url))
    assert node.curl(f"http://10.200.0.1:{port}/")
    assert int(status_of(node.proxy.pid)["CapEff"], 16) == (1 << 12) | (1 << 13)

    # Its server goes and comes back: traffic goes on, and later changes arrive.
    before = node.rules()
    node.server.stop()
    time.sleep(1)
    assert node.curl(url) and node.rules() == before and node.proxy.poll() is None
    node.server.start()
    assert node.curl(url)
    second = node.request("POST", SERVICES, {"metadata": {"name": "web2"}, "spec": {"ports": [
        {"port": 80, "targetPort": 8080}]}}).json["spec"]["clusterIP"]
    endpoints["metadata"] = {"name": "web2-1", "labels": {"kubernetes.io/service-name": "web2"}}
    assert node.request("POST", SLICES, endpoints).status == 201
    wait_for(lambda: node.curl(f"http://{second}/"), 60)

    # The proxy ends, cleanly and by force: its rules stay, and the next one changes nothing that is right.
    before = node.rules()
    assert node.stop_proxy() == 0
    assert node.rules() == before and node.curl(url)
    node.start_proxy()
    time.sleep(2)
    assert node.curl(url) and node.rules() == before
    node.stop_proxy(signal.SIGKILL)
    assert node.curl(url) and node.rules() == before

    # A proxy that starts while its server is away keeps what is there.
    node.server.stop()
    node.start_proxy()
    time.sleep(2)
    assert node.proxy.poll() is None and node.curl(url) and node.rules() == before
    node.server.start()
    assert node.request("DELETE", SERVICES + "/web2").status == 200
    wait_for(lambda: not any("web2" in line and "DNAT" in line for line in node.rules()), 60)
    assert node.curl(url)
    assert node.stop_proxy() == 0

    done = subprocess.run([*node.prefix, program.FAIRLEAD, "proxy", "--cleanup"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    left = [line for line in node.rules() if "KUBE-FIREWALL" not in line]  # that chain is the kubelet's too
    assert left == []
    assert not node.curl(url)
