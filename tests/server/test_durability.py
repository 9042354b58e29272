"""What is acknowledged stays: kill -9 under load, restarts, upgrades, a full disk."""
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time

import program
import pytest
from api_client import CONFIGMAPS, SERVICES, Api, service

SLOW = "sanitize" in str(program.FAIRLEAD)


@pytest.fixture
def data():
    path = tempfile.mkdtemp(prefix="fairlead-data-")
    yield path
    shutil.rmtree(path, ignore_errors=True)


def _writer(kubeconfig, number, round_number, acknowledged, stop):
    """Creates Services until the server dies. A write counts once its reply is read."""
    client = Api(kubeconfig)
    for i in range(1000):
        if stop.is_set():
            return
        name = f"w{number}-{round_number}-{i}"
        kind = {"type": "NodePort"} if i % 4 == 0 else {}
        try:
            status, body = client.call("POST", SERVICES, service(name, **kind))
        except Exception:
            return
        if status != 201:
            return
        acknowledged[name] = (body["spec"]["clusterIP"], body["spec"]["ports"][0].get("nodePort"))
        if i % 3 == 2:
            gone = f"w{number}-{round_number}-{i - 1}"
            acknowledged.pop(gone, None)
            try:
                client.call("DELETE", f"{SERVICES}/{gone}")
            except Exception:
                return


def test_kill_9_under_load_loses_nothing(data):
    rounds = 20 if SLOW else 200
    rng = random.Random(1)
    acknowledged = {}
    server = program.Server(data=data)
    for round_number in range(rounds):
        server.start()
        stop = threading.Event()
        writers = [threading.Thread(target=_writer, args=(server.kubeconfig, n, round_number, acknowledged, stop))
                   for n in range(16)]
        for w in writers:
            w.start()
        time.sleep(rng.uniform(0.01, 0.12))
        server.kill()
        stop.set()
        for w in writers:
            w.join()
        if round_number % 20 == 19:
            _check_everything(server, acknowledged)
    assert len(acknowledged) > rounds


def _check_everything(server, acknowledged):
    """Every acknowledged Service is there with its address; no address or node port is held twice."""
    server.start()
    client = Api(server.kubeconfig)
    _, listed = client.call("GET", SERVICES)
    found = {s["metadata"]["name"]: s["spec"] for s in listed["items"]}
    for name, (address, node_port) in acknowledged.items():
        assert name in found, f"{name} was acknowledged and is gone"
        assert found[name]["clusterIP"] == address
        assert found[name]["ports"][0].get("nodePort") == node_port
    addresses = [s["clusterIP"] for s in found.values()]
    assert len(addresses) == len(set(addresses))
    ports = [p["nodePort"] for s in found.values() for p in s["ports"] if "nodePort" in p]
    assert len(ports) == len(set(ports))
    _, ips = client.call("GET", "/apis/networking.k8s.io/v1/ipaddresses")
    assert sorted(i["metadata"]["name"] for i in ips["items"]) == sorted(addresses)
    for name in list(acknowledged)[::2]:  # keep the ranges from filling up
        client.call("DELETE", f"{SERVICES}/{name}")
        del acknowledged[name]
    server.kill()


def test_restart_keeps_addresses_and_versions(data):
    with program.Server(data=data) as server:
        client = Api(server.kubeconfig)
        _, web = client.call("POST", SERVICES, service("web", type="NodePort"))
        _, kubernetes = client.call("GET", f"{SERVICES}/kubernetes")
    with program.Server(data=data) as server:
        client = Api(server.kubeconfig)
        _, again = client.call("GET", f"{SERVICES}/web")
        assert again == web
        assert client.call("GET", f"{SERVICES}/kubernetes")[1]["spec"]["clusterIP"] == kubernetes["spec"]["clusterIP"]
        status, _ = client.call("POST", SERVICES, service("other", clusterIP=web["spec"]["clusterIP"]))
        assert status == 422
        port = web["spec"]["ports"][0]["nodePort"]
        status, body = client.call("POST", SERVICES, service("other", type="NodePort", ports=[{"port": 1, "nodePort": port}]))
        assert status == 422 and "provided port is already allocated" in body["message"]


def run_to_its_end(*flags, prefix=(), timeout=20):
    done = subprocess.run([*prefix, str(program.FAIRLEAD), "server", "--disable-agent", "--secure-port=0", *flags],
                          capture_output=True, text=True, timeout=timeout)
    return done.returncode, done.stderr


def test_a_newer_data_directory_is_refused(data):
    with program.Server(data=data):
        pass
    path = f"{data}/data/store/store.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    code, err = run_to_its_end("--data-dir", f"{data}/data")
    assert code == 1 and "written by a newer fairlead" in err and path in err


def test_a_damaged_data_file_is_refused(data):
    with program.Server(data=data):
        pass
    with open(f"{data}/data/store/store.db", "r+b") as f:
        f.write(b"this is no database")
    code, err = run_to_its_end("--data-dir", f"{data}/data")
    assert code == 1 and "is damaged" in err and "restore it from a copy" in err


def test_a_second_server_is_refused(data):
    with program.Server(data=data):
        code, err = run_to_its_end("--data-dir", f"{data}/data")
        assert code == 1 and "another fairlead server uses" in err


def test_a_full_disk_loses_nothing_and_recovers():
    assert os.geteuid() == 0, "this test mounts a small file system: it needs root"
    place = tempfile.mkdtemp(prefix="fairlead-full-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], check=True)
    try:
        server = program.Server(data=place).start()
        client = Api(server.kubeconfig)
        big, acknowledged, refused = "x" * 200_000, [], None
        for i in range(100):
            status, body = client.call("POST", CONFIGMAPS, {"metadata": {"name": f"c{i}"}, "data": {"a": big}})
            if status != 201:
                refused = (status, body["message"])
                break
            acknowledged.append(f"c{i}")
        assert refused and refused[0] == 507 and "is full" in refused[1], refused
        names = {item["metadata"]["name"] for item in client.call("GET", CONFIGMAPS)[1]["items"]}
        assert names >= set(acknowledged) and f"c{len(acknowledged)}" not in names
        subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
        status, _ = client.call("POST", CONFIGMAPS, {"metadata": {"name": "after"}, "data": {"a": big}})
        assert status == 201
        assert server.stop() == 0
        server.start()
        names = {item["metadata"]["name"] for item in Api(server.kubeconfig).call("GET", CONFIGMAPS)[1]["items"]}
        assert names >= {*acknowledged, "after"}
        assert server.stop() == 0
    finally:
        subprocess.run(["umount", "-l", place], check=True)
        os.rmdir(place)
