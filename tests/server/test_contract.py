"""What a script may rely on: exit statuses, sentences, files, ports, identities."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import program
import pytest
from api_client import CONFIGMAPS, Api
from rest import openssl
from test_durability import run_to_its_end


@pytest.mark.parametrize("flags,code,words", [
    (["--nope"], 2, "unknown flag: --nope; see --help"),
    (["--secure-port=x"], 2, '--secure-port: "x" is not a whole number'),
    (["--service-cluster-ip-range=10.0.0.0"], 2, "is not a CIDR such as 10.96.0.0/16"),
    (["--service-node-port-range=9-1"], 2, "is not a range such as 30000-32767"),
    (["--bind-address=here"], 2, '--bind-address: "here" is not an IP address'),
    (["--etcd-servers=http://x"], 2, "the etcd store is not built yet"),
    (["--proxy-mode=ipvs"], 2, "--proxy-mode"),
    (["--store=paper"], 2, "is not one of embedded, memory"),
    (["extra"], 2, 'unexpected argument "extra"'),
    (["--token-auth-file=/no/such/file"], 1, "/no/such/file"),
])
def test_wrong_words_get_one_sentence(flags, code, words):
    with tempfile.TemporaryDirectory() as data:
        got, err = run_to_its_end("--data-dir", f"{data}/data", *flags)
    assert got == code and words in err
    assert len(err.strip().splitlines()) == 1, err


def test_port_in_use():
    with socket.socket() as holder, tempfile.TemporaryDirectory() as data:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        got, err = run_to_its_end("--data-dir", f"{data}/data", "--bind-address=127.0.0.1", f"--secure-port={port}")
    assert got == 1 and f"127.0.0.1:{port}" in err


def test_unwritable_directory():
    assert os.geteuid() == 0
    with tempfile.TemporaryDirectory() as data:
        os.chmod(data, 0o755)
        program_copy = pathlib.Path(data) / "fairlead"
        program_copy.write_bytes(program.FAIRLEAD.read_bytes())
        program_copy.chmod(0o755)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(program_copy), "server",
                               "--disable-agent", "--secure-port=0", "--data-dir", f"{data}/data"],
                              capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and f"{data}/data" in done.stderr and "Permission denied" in done.stderr


def test_files_are_private_and_rights_are_dropped(server):
    for path in (server.dir / "data").rglob("*"):
        mode = path.stat().st_mode & 0o777
        assert mode == (0o700 if path.is_dir() else 0o600), f"{path} has mode {mode:o}"
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    assert "CapEff:\t0000000000000000" in status and "CapPrm:\t0000000000000000" in status


def test_ports_of_the_proxy_stay_closed_without_an_agent(server):
    own = pathlib.Path(f"/proc/{server.process.pid}/fd")
    sockets = [os.readlink(fd) for fd in own.iterdir() if os.readlink(fd).startswith("socket:")]
    listening = [line for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"]
    ours = {int(line.split()[1].split(":")[1], 16) for line in listening if f"socket:[{line.split()[9]}]" in sockets}
    assert ours == {server.port}


def test_ready_means_everything_is_there(server):
    client = Api(server.kubeconfig)
    for path in ("/healthz", "/livez", "/readyz"):
        assert client.call("GET", path) == (200, "ok")
    names = {n["metadata"]["name"] for n in client.call("GET", "/api/v1/namespaces")[1]["items"]}
    assert names >= {"default", "kube-system", "kube-public", "kube-node-lease"}
    assert client.call("GET", "/version")[1]["gitVersion"].startswith("v1.36.2+fairlead")


def test_a_host_without_addresses_still_serves_itself():
    assert os.geteuid() == 0
    name = f"fl-lonely-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        server = program.Server(prefix=["ip", "netns", "exec", name]).start()
        assert "default/kubernetes has no endpoints; give --advertise-address" in server.log()
        assert server.stop() == 0
        shutil.rmtree(server.dir)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def test_stops_cleanly_while_clients_watch():
    server = program.Server().start()
    client = Api(server.kubeconfig)
    watch = socket.create_connection((client.host, int(client.port)))
    stream = client.context.wrap_socket(watch, server_hostname=client.host)
    stream.sendall(b"GET /api/v1/services?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200" in stream.recv(100)
    before = time.monotonic()
    server.close()
    assert time.monotonic() - before < 10


def test_anonymous_sees_health_and_version_only(server):
    client = Api(server.kubeconfig, anonymous=True)
    for path in ("/healthz", "/livez", "/readyz", "/version"):
        assert client.call("GET", path)[0] == 200
    for path in ("/api", "/apis", "/api/v1/services", "/openapi/v2", "/metrics", "/none"):
        status, body = client.call("GET", path)
        assert (status, body["reason"]) == (401, "Unauthorized"), path


def test_foreign_certificates_are_refused(server, tmp_path):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "k", "-out", "c", "-days", "1",
            "-subj", "/O=system:masters/CN=mallory", cwd=tmp_path)
    client = Api(server.kubeconfig, cert=(tmp_path / "c").read_text(), key=(tmp_path / "k").read_text())
    status, body = client.call("GET", "/api/v1/services")
    assert status == 401 and "certificate" in body["message"]


def test_expired_certificates_are_refused(server, tmp_path):
    pki = server.dir / "data/pki"
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "k", "-out", "r", "-subj", "/O=system:masters/CN=old", cwd=tmp_path)
    openssl("x509", "-req", "-in", "r", "-CA", str(pki / "ca.crt"), "-CAkey", str(pki / "ca.key"), "-CAcreateserial",
            "-CAserial", "serial", "-out", "c", "-days", "-1", cwd=tmp_path)
    client = Api(server.kubeconfig, cert=(tmp_path / "c").read_text(), key=(tmp_path / "k").read_text())
    status, body = client.call("GET", "/api/v1/services")
    assert status == 401 and "expired" in body["message"]


def test_tokens(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text('secret-a,alice,1,"system:masters"\nsecret-b,bob,2,"people"\nsecret-p,system:kube-proxy,3\n')
    with program.Server("--token-auth-file", str(tokens)) as server:
        assert Api(server.kubeconfig, token="secret-a").call("GET", "/api/v1/secrets")[0] == 200
        status, body = Api(server.kubeconfig, token="secret-b").call("GET", "/api/v1/namespaces/default/services")
        assert status == 403 and body["message"].startswith(
            'services is forbidden: User "bob" cannot list resource "services" in API group "" in the namespace "default"')
        proxy = Api(server.kubeconfig, token="secret-p")
        assert proxy.call("GET", "/apis/discovery.k8s.io/v1/endpointslices")[0] == 200
        assert proxy.call("GET", "/api/v1/secrets")[0] == 403
        assert Api(server.kubeconfig, token="wrong").call("GET", "/api/v1/services")[0] == 401
        assert "secret-" not in server.log()


BAD_REQUESTS = [
    ("POST", CONFIGMAPS, b'{"metadata": {"name": "x"}', "application/json", 400, "JSON ends at line 1"),
    ("POST", CONFIGMAPS, b"a: [", "application/yaml", 400, "line"),
    ("POST", CONFIGMAPS, b"{}", "text/plain", 415, "accepted media types include: application/json"),
    ("POST", CONFIGMAPS, b"[" * 600 + b"]" * 600, "application/json", 400, "nested deeper"),
    ("POST", CONFIGMAPS, b'{"data": "' + b"x" * 3_200_000 + b'"}', "application/json", 413, "the request body is larger than 3145728 bytes"),
    ("POST", CONFIGMAPS + "?fieldValidation=Strict", b'{"metadata": {"name": "x"}, "dta": {}}', "application/json", 400,
     'unknown field "dta"'),
    ("POST", CONFIGMAPS, b'{"metadata": {"name": "x"}, "data": {"a": 1}}', "application/json", 400, "cannot unmarshal"),
    ("GET", CONFIGMAPS + "?labelSelector=a%3D(", b"", "", 400, "unable to parse"),
    ("GET", CONFIGMAPS + "?fieldSelector=spec.no%3D1", b"", "", 400, "field label not supported"),
    ("GET", "/api/v1/gadgets", b"", "", 404, "could not find the requested resource"),
    ("DELETE", CONFIGMAPS + "/none", b"", "", 404, 'configmaps "none" not found'),
    ("POST", "/api/v1/namespaces/none/configmaps", b'{"metadata": {"name": "x"}}', "application/json", 404, 'namespaces "none" not found'),
    ("PATCH", CONFIGMAPS + "/none", b"{}", "application/bogus-patch", 415, "application/json-patch+json"),
]


@pytest.mark.parametrize("method,path,body,kind,status,words", BAD_REQUESTS, ids=range(len(BAD_REQUESTS)))
def test_bad_requests_get_one_clear_sentence(server, method, path, body, kind, status, words):
    got, _, text = Api(server.kubeconfig).raw(method, path, body, {"Content-Type": kind} if kind else {})
    reply = json.loads(text)
    assert got == status and reply["kind"] == "Status" and reply["code"] == status, text[:300]
    assert words in reply["message"], reply["message"]


def test_canary_secrets_are_never_logged(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text('canary-token-1,alice,1,"system:masters"\n')
    with program.Server("-v=10", "--token-auth-file", str(tokens)) as server:
        client = Api(server.kubeconfig, token="canary-token-1")
        client.call("POST", "/api/v1/namespaces/default/secrets",
                    {"metadata": {"name": "s"}, "stringData": {"k": "canary-data-1"}})
        client.call("GET", "/api/v1/namespaces/default/secrets/s")
        Api(server.kubeconfig, token="canary-token-2").call("GET", "/api/v1/secrets")
        _, _, metrics = client.raw("GET", "/metrics")
        for text in (server.log(), metrics):
            assert "canary" not in text and "PRIVATE KEY" not in text
