"""How the server starts, stops and refuses: exit status, one sentence, files and rights."""
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time

import program
import pytest
import rest


def start(*flags, prefix=(), **more):
    return subprocess.Popen([*prefix, str(program.FAIRLEAD), *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, **more)


def run(*flags, prefix=(), timeout=8, **more):
    return program.Result(subprocess.run([*prefix, str(program.FAIRLEAD), *flags], capture_output=True, text=True,
                                         timeout=timeout, **more))


def sentence(result, code, *parts):
    """The program said one line on standard error, and ended with CODE."""
    lines = [line for line in result.err.splitlines() if not re.match(r"[IW]\d{4} ", line)]
    assert result.code == code and len(lines) == 1 and lines[0].startswith("fairlead"), \
        f"status {result.code}, said:\n{result.text}"
    for part in parts:
        assert part in lines[0], lines[0]
    return lines[0]


def refuses(data, code, *parts, flags=(), prefix=()):
    return sentence(run("server", "--data-dir", str(data), "--secure-port", "0", "--disable-agent", *flags,
                        prefix=prefix), code, *parts)


def status_of(pid):
    return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
                if ":\t" in line)


def children_of(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(what, seconds=20):
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


# The command line

@pytest.mark.parametrize("flags, part", [
    (["--secure-port", "70000"], "--secure-port"), (["--secure-port", "x"], "--secure-port"),
    (["--nonsense"], "--nonsense"), (["--store", "etcd"], "--store"), (["--bind-address", "300.1.1.1"], "--bind-address"),
    (["--node-ip", "x"], "--node-ip"), (["--advertise-address", "x"], "--advertise-address"),
    (["--service-cluster-ip-range", "10.96.0.1/16"], "--service-cluster-ip-range"),
    (["--service-cluster-ip-range", "10.96.0.0/16,10.97.0.0/16"], "--service-cluster-ip-range"),
    (["--service-node-port-range", "2-1"], "--service-node-port-range"), (["--data-dir", ""], "--data-dir"),
    (["--proxy-mode", "teleport"], "--proxy-mode"), (["--etcd-servers", "http://x"], "--etcd-servers"),
    (["--cluster-cidr", "10.244.0.0/30"], "--cluster-cidr"), (["--cluster-cidr", "10.96.4.0/22"], "--cluster-cidr"),
    (["surplus"], "surplus"), (["--node-name", "a" * 300], "--node-name"), (["--node-name", "Not_Valid!"], "--node-name"),
])
def test_wrong_flags(tmp_path, flags, part):
    sentence(run("server", "--data-dir", str(tmp_path / "d"), *flags), 2, part)
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("verb", ["proxy", "agent"])
def test_wrong_flags_of_the_node(verb, tmp_path):
    sentence(run(verb, "--nonsense"), 2, "--nonsense")
    sentence(run(verb, "--kubeconfig", str(tmp_path / "none")), 1, str(tmp_path / "none"))
    (tmp_path / "bad").write_text("a: [")
    sentence(run(verb, "--kubeconfig", str(tmp_path / "bad")), 1, str(tmp_path / "bad"))


def test_words():
    assert run("version").out.startswith("fairlead ")
    assert "server" in run("help").out and run("help").code == 0
    assert run("server", "--help").code == 0 and "--data-dir" in run("server", "--help").out
    sentence(run("fly"), 2, "fly")
    assert run().code == 2


# What a start promises

def test_ready_means_that_everything_is_there():
    """Asked from the first moment on: the kubeconfig is there before /readyz answers 200, and so is what must exist."""
    server = program.Server()
    port = free_port()
    server.flags[server.flags.index("--secure-port") + 1] = str(port)
    seen = []

    def ask():
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not seen:
            try:
                probe = subprocess.run(["curl", "-sk", "-m2", f"https://127.0.0.1:{port}/readyz"], capture_output=True)
                if probe.stdout == b"ok":
                    seen.append((server.dir / "data/admin.kubeconfig").exists())
            except OSError:
                pass
    asking = threading.Thread(target=ask)
    asking.start()
    with server:
        asking.join()
        assert seen == [True]
        api = rest.Api(server)
        for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
            assert api.get(f"/api/v1/namespaces/{name}").status == 200
        kubernetes = api.get("/api/v1/namespaces/default/services/kubernetes").json
        assert kubernetes["spec"]["clusterIP"] == "10.96.0.1" and kubernetes["spec"]["ports"][0]["port"] == 443
        out = server.out_path.read_text()
        assert out.count("\n") == 1 and f"--kubeconfig {server.kubeconfig}" in out


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_files_are_private():
    old = os.umask(0)
    try:
        with program.Server() as server:
            public = {p for p in (server.dir / "data").rglob("*") if stat.S_IMODE(p.lstat().st_mode) & 0o077}
            assert not public
            assert stat.S_IMODE((server.dir / "data").stat().st_mode) == 0o700
    finally:
        os.umask(old)


def test_no_rights_are_kept_and_no_port_is_opened():
    with program.Server() as server:
        assert int(status_of(server.process.pid)["CapEff"], 16) == 0
        assert int(status_of(server.process.pid)["CapPrm"], 16) == 0
        assert not children_of(server.process.pid)
        mine = listening(server.process.pid)
        assert mine == {("0.0.0.0" if os.geteuid() == 0 else "127.0.0.1", server.port)}


def listening(pid):
    """TCP addresses in state LISTEN that the process holds."""
    inodes = set()
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(os.readlink(fd))
        except FileNotFoundError:
            pass
    found = set()
    for line in pathlib.Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
            ip, port = words[1].split(":")
            found.add((socket.inet_ntoa(bytes.fromhex(ip)[::-1]), int(port, 16)))
    return found


def test_many_descriptors():
    with program.Server(prefix=["prlimit", "--nofile=256:4096"]) as server:
        limits = pathlib.Path(f"/proc/{server.process.pid}/limits").read_text()
        assert re.search(r"Max open files\s+4096\s+4096", limits)


def test_second_server_on_the_same_directory():
    with program.Server() as server:
        refuses(server.dir / "data", 1, "another fairlead server", str(server.dir / "data"))
        assert rest.Api(server).get("/readyz").status == 200


def test_servers_side_by_side():
    with program.Server() as one, program.Server() as two, program.Server(store="memory") as three:
        for i, server in enumerate((one, two, three)):
            assert rest.Api(server).post("/api/v1/namespaces", {"metadata": {"name": f"only-{i}"}}).status == 201
        assert rest.Api(two).get("/api/v1/namespaces/only-0").status == 404
        # A client of one is nobody to the other.
        stranger = rest.Api(two, cert=(one.dir / "data/pki/admin.crt", one.dir / "data/pki/admin.key"))
        try:
            assert stranger.get("/api/v1/namespaces").status == 401
        except (OSError, ConnectionError):
            pass


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT])
def test_clean_stop_while_clients_watch(signo):
    server = program.Server().start()
    ended = []

    def watch():
        api = rest.Api(server)
        api.get("/readyz")
        c = api.connection
        c.request("GET", "/api/v1/services?watch=1")
        r = c.getresponse()
        while r.readline():
            pass
        ended.append(r.status)
    watchers = [threading.Thread(target=watch) for _ in range(20)]
    for w in watchers:
        w.start()
    time.sleep(0.5)
    start_s = time.monotonic()
    server.process.send_signal(signo)
    assert server.process.wait(10) == 0
    assert time.monotonic() - start_s < 5
    for w in watchers:
        w.join(10)
    assert ended == [200] * 20
    server.check_log()
    shutil.rmtree(server.dir)


# What it refuses

def test_port_in_use(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        refuses(tmp_path, 1, str(port), "another program listens", flags=["--secure-port", str(port), "--bind-address", "127.0.0.1"])


def test_address_of_somebody_else(tmp_path):
    refuses(tmp_path, 1, "192.0.2.1", flags=["--bind-address", "192.0.2.1"])


def test_token_file(tmp_path):
    missing, bad = tmp_path / "none", tmp_path / "bad"
    refuses(tmp_path / "d", 1, str(missing), flags=["--token-auth-file", str(missing)])
    bad.write_text("token-canary-3c1e\n")
    line = refuses(tmp_path / "d", 1, "token", flags=["--token-auth-file", str(bad)])
    assert "canary" not in line
    refuses(tmp_path / "d", 1, "directory", flags=["--token-auth-file", str(tmp_path)])


def test_data_directory_is_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    refuses(tmp_path / "file", 1, str(tmp_path / "file"))
    refuses(tmp_path / "file/below", 1, str(tmp_path / "file"))


NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


@pytest.fixture
def nobody_home(tmp_path_factory):
    """A directory for nobody, and a copy of the program that nobody may run."""
    home = pathlib.Path("/tmp") / f"fairlead-nobody-{os.getpid()}"
    home.mkdir(mode=0o755)
    shutil.copy(program.FAIRLEAD, home / "fairlead")
    (home / "mine").mkdir()
    os.chown(home / "mine", 65534, 65534)
    yield home
    shutil.rmtree(home)


def test_nobody_serves_on_loopback(nobody_home):
    """Without rights the control plane works, on 127.0.0.1."""
    p = subprocess.Popen([*NOBODY, nobody_home / "fairlead", "server", "--data-dir", nobody_home / "mine/data",
                          "--secure-port", "0", "--disable-agent"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True)
    assert "serves the Kubernetes API" in p.stdout.readline()
    assert {ip for ip, port in listening(p.pid)} == {"127.0.0.1"}
    p.terminate()
    out, err = p.communicate(timeout=10)
    assert p.returncode == 0 and not re.search(r"^[EW]\d{4} ", err, re.M), err


def test_nobody_is_told_what_is_missing(nobody_home, tmp_path):
    def nobody(*flags):
        return program.Result(subprocess.run([*NOBODY, nobody_home / "fairlead", *flags], capture_output=True, text=True,
                                             timeout=20))
    common = ["--secure-port", "0", "--disable-agent"]
    sentence(nobody("server", "--data-dir", str(nobody_home / "theirs"), *common), 1, "ermission denied",
             str(nobody_home / "theirs"))
    tokens = nobody_home / "tokens"
    tokens.write_text("a,b,c\n")
    tokens.chmod(0o600)
    sentence(nobody("server", "--data-dir", str(nobody_home / "mine/data"), *common, "--token-auth-file", str(tokens)), 1,
             "ermission denied", str(tokens))
    sentence(nobody("server", "--data-dir", str(nobody_home / "mine/data"), "--disable-agent", "--secure-port", "443"), 1,
             "CAP_NET_BIND_SERVICE", "443") if unprivileged_ports_start() > 443 else None
    with program.Server() as server:
        copy = nobody_home / "kubeconfig"
        shutil.copy(server.kubeconfig, copy)
        copy.chmod(0o644)
        line = sentence(nobody("proxy", "--kubeconfig", str(copy), "--proxy-mode", "iptables"), 1)
        assert "CAP_NET_ADMIN" in line or "root" in line or "ermission" in line, line


def unprivileged_ports_start():
    return int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())


# Certificates

def damage(path):
    path.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")


def restarted(server):
    server.stop()
    return server.start()


def test_lost_certificates_are_made_again():
    with program.Server() as server:
        kubeconfig, ca = server.kubeconfig.read_text(), (server.dir / "data/pki/ca.crt").read_text()
        for name in ("server.crt", "server.key", "admin.crt", "agent.key"):
            server.stop()
            if name.endswith("crt"):
                damage(server.dir / "data/pki" / name)
            else:
                (server.dir / "data/pki" / name).unlink()
            server.start()
            assert rest.Api(server).get("/api/v1/namespaces").status == 200
        assert (server.dir / "data/pki/ca.crt").read_text() == ca
        assert server.kubeconfig.read_text() != kubeconfig
        assert rest.Api(restarted(server)).get("/api/v1/namespaces").status == 200


@pytest.mark.parametrize("name, how", [("ca.crt", "damaged"), ("ca.key", "damaged"), ("ca.crt", "missing"),
                                       ("ca.key", "missing"), ("ca.key", "foreign")])
def test_a_lost_authority_is_not_replaced_silently(name, how, tmp_path):
    """Everything that trusts the authority would stop working: one sentence says what to do instead."""
    with program.Server() as server:
        server.stop()
        path = server.dir / "data/pki" / name
        before = path.read_text()
        if how == "damaged":
            damage(path)
        elif how == "missing":
            path.unlink()
        else:
            rest.make_client_cert(tmp_path, "foreign", "/CN=x")
            shutil.copy(tmp_path / "foreign-ca.key", path)
        refuses(server.dir / "data", 1, "pki")
        path.write_text(before)
        server.start()
        assert rest.Api(server).get("/api/v1/namespaces").status == 200


# The agent

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def netns():
    name = f"fl-start-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "-n", name, "addr", "add", "192.0.2.9/32", "dev", "lo"], check=True)
    yield name
    subprocess.run(["ip", "netns", "del", name], check=True)


def start_with_agent(netns, *flags):
    server = program.Server("--node-ip", "192.0.2.9", "--node-name", "here", *flags, agent=True,
                            prefix=["ip", "netns", "exec", netns])
    return server.start()


def test_the_agent_is_a_child_of_few_rights(netns):
    server = start_with_agent(netns)
    try:
        pid = server.process.pid
        agent = wait_for(lambda: children_of(pid))[0]
        kept = (1 << 12) | (1 << 13)
        wait_for(lambda: int(status_of(agent)["CapEff"], 16) == kept)
        assert int(status_of(agent)["CapPrm"], 16) == kept
        assert int(status_of(pid)["CapEff"], 16) == 0
        wait_for(lambda: listening(agent) >= {("127.0.0.1", 10249), ("0.0.0.0", 10256)})

        wait_for(lambda: get_in_netns(netns, server, "/api/v1/nodes/here").get("spec", {}).get("podCIDR")
                 == "10.244.0.0/24")

        os.kill(agent, signal.SIGKILL)
        again = wait_for(lambda: [c for c in children_of(pid) if c != agent])[0]
        wait_for(lambda: listening(again) >= {("127.0.0.1", 10249), ("0.0.0.0", 10256)})
        assert "is started again in 1000 ms" in server.log()
        server.kill()  # and the agent goes with it
        wait_for(lambda: not pathlib.Path(f"/proc/{again}").exists() or status_of(again)["State"].startswith("Z"))
    finally:
        if server.process:
            server.stop()
        shutil.rmtree(server.dir)


def get_in_netns(netns, server, path):
    """The object at PATH as a client in the namespace sees it; {} if it is not there."""
    pki = server.dir / "data/pki"
    done = subprocess.run(["ip", "netns", "exec", netns, "curl", "-sf", "--cacert", pki / "ca.crt", "--cert",
                           pki / "admin.crt", "--key", pki / "admin.key", f"https://127.0.0.1:{server.port}{path}"],
                          capture_output=True, text=True, timeout=30)
    return json.loads(done.stdout or "{}")


def test_proxy_mode_none_opens_no_port(netns):
    server = start_with_agent(netns, "--proxy-mode", "none")
    try:
        agent = wait_for(lambda: children_of(server.process.pid))[0]
        wait_for(lambda: get_in_netns(netns, server, "/api/v1/nodes/here"))
        assert not listening(agent)
        assert int(status_of(agent)["CapEff"], 16) == 0
        assert server.stop() == 0
        assert not pathlib.Path(f"/proc/{agent}").exists()
    finally:
        server.stop()
        shutil.rmtree(server.dir)
