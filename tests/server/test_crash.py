"""kill -9 at any moment under write load and while starting: what was acknowledged is there, no address, no node port
was given out twice. At most FAIRLEAD_KILLS kills in FAIRLEAD_KILL_SECONDS; test_durability.py does the full 200."""
import collections
import http.client
import os
import random
import threading
import time

import program
import rest

KILLS = int(os.environ.get("FAIRLEAD_KILLS", "200"))
MAX_SERVICES = 100  # of each client
BUDGET_S = int(os.environ.get("FAIRLEAD_KILL_SECONDS", "25"))
CLIENTS = 16


class Client(threading.Thread):
    """Creates, changes and deletes objects of its own, and remembers what was acknowledged. What was under way when
    the server died may or may not have happened."""

    def __init__(self, number, seed):
        super().__init__(daemon=True)
        self.number, self.random = number, random.Random(seed)
        self.known = {}  # path -> value, or None for deleted
        self.unsure = {}  # path -> values it may have as well
        self.n = self.acknowledged = 0
        self.errors = []
        self.server = None

    def begin(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.start()

    def run(self):
        api = rest.Api(self.server, timeout=5)
        try:
            while not self.errors:
                self.step(api)
        except (OSError, http.client.HTTPException):
            api.close()

    def attempt(self, api, method, path, body, key, value):
        old = self.known.get(key)
        self.unsure[key] = value
        answer = api.request(method, path, body)
        if answer.status in (200, 201):
            self.known[key] = value
            self.acknowledged += 1
        elif answer.status >= 500 and b"shutting down" in answer.body:
            return
        else:
            self.known[key] = old
            self.errors.append(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
        self.unsure.pop(key, None)

    def step(self, api):
        self.n += 1
        maps, services = "/api/v1/namespaces/default/configmaps", "/api/v1/namespaces/default/services"
        live = [k for k, v in self.known.items() if v is not None and k not in self.unsure]
        what = self.random.random()
        services_held = sum("/services/" in k and v is not None for k, v in self.known.items()) + len(self.unsure)
        if 0.35 <= what < 0.65 and services_held >= MAX_SERVICES:
            what = 0.9  # however fast the machine, 16 clients must not use up the 2,768 node ports
        if what < 0.35 or not live:
            name = f"c{self.number}-{self.n}"
            self.attempt(api, "POST", maps, {"metadata": {"name": name}, "data": {"v": "0"}}, f"{maps}/{name}", "0")
        elif what < 0.65:
            name = f"s{self.number}-{self.n}"
            body = {"metadata": {"name": name}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
            self.attempt(api, "POST", services, body, f"{services}/{name}", "service")
        elif what < 0.8:
            key = self.random.choice(live)
            if "services" in key:
                return
            body = {"metadata": {"name": key.rsplit("/", 1)[1]}, "data": {"v": str(self.n)}}
            self.attempt(api, "PUT", key, body, key, str(self.n))
        else:
            key = self.random.choice(live)
            self.attempt(api, "DELETE", key, None, key, None)


def state_of(server):
    api = rest.Api(server)
    state = {}
    for kind in ("configmaps", "services"):
        path = f"/api/v1/namespaces/default/{kind}"
        for item in api.get(path).json["items"]:
            name = item["metadata"]["name"]
            state[f"{path}/{name}"] = "service" if kind == "services" else item.get("data", {}).get("v")
    services = api.get("/api/v1/services").json["items"]
    for what in (lambda s: [s["spec"]["clusterIP"]], lambda s: [p["nodePort"] for p in s["spec"]["ports"] if "nodePort" in p]):
        twice = [v for v, n in collections.Counter(v for s in services for v in what(s)).items() if n > 1]
        assert not twice, f"given out twice: {twice}"
    addresses = {a["metadata"]["name"] for a in api.get("/apis/networking.k8s.io/v1/ipaddresses").json["items"]}
    missing = {s["spec"]["clusterIP"] for s in services} - addresses
    assert not missing, f"Services without their IPAddress: {missing}"
    return state


def check(clients, state):
    for c in clients:
        assert not c.errors, c.errors
        for key, value in list(c.known.items()):
            if key in c.unsure:
                assert state.get(key) in (value, c.unsure[key]), f"{key}: {state.get(key)}"
                c.known[key] = state.get(key)
            else:
                assert state.get(key) == value, f"{key} should be {value}, is {state.get(key)}"
        for key in list(c.unsure):
            c.known[key] = state.get(key)
        c.unsure.clear()


def test_kill_under_load():
    seed = int(os.environ.get("FAIRLEAD_SEED", time.time_ns() % 1_000_000))
    print(f"seed {seed}")
    chance = random.Random(seed)
    clients = [Client(i, seed + i) for i in range(CLIENTS)]
    end = time.monotonic() + BUDGET_S
    kills = 0
    with program.Server() as server:
        while kills < KILLS and time.monotonic() < end:
            for c in clients:
                c.begin(server)
            time.sleep(chance.choice([0.0, 0.01, 0.05, 0.1]) + chance.random() * 0.05)
            server.kill()
            for c in clients:
                c.join(10)
                assert not c.is_alive()
            kills += 1
            if chance.random() < 0.2:  # and in the middle of starting
                victim = program.Server(data=server.dir)
                try:
                    with open(os.devnull, "w") as null:
                        p = program.subprocess.Popen([str(program.FAIRLEAD), "server", *victim.flags], stdout=null, stderr=null)
                    time.sleep(chance.random() * 0.06)
                finally:
                    p.kill()
                    p.wait()
                kills += 1
            server.start()
            check(clients, state_of(server))
    done = sum(c.acknowledged for c in clients)
    print(f"{kills} kills, {done} acknowledged writes")
    assert kills >= KILLS or time.monotonic() >= end
    assert kills >= min(KILLS, 20) and done > kills * 10


def test_restart_keeps_addresses():
    """The same addresses and node ports after a clean stop, after kill -9, and with another port for the API."""
    services = "/api/v1/namespaces/default/services"
    with program.Server() as server:
        api = rest.Api(server)
        for i in range(20):
            api.post(services, {"metadata": {"name": f"s{i}"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}})

        def addresses():
            return {s["metadata"]["name"]: (s["spec"]["clusterIP"], [p.get("nodePort") for p in s["spec"]["ports"]],
                                            s["metadata"]["uid"])
                    for s in rest.Api(server).get(services).json["items"]}
        before = addresses()
        ca, version = (server.dir / "data/pki/ca.crt").read_text(), api.get(services).json["metadata"]["resourceVersion"]
        server.stop()
        server.start()
        assert addresses() == before
        server.kill()
        server.start()
        assert addresses() == before
        assert (server.dir / "data/pki/ca.crt").read_text() == ca
        assert int(rest.Api(server).get(services).json["metadata"]["resourceVersion"]) >= int(version)
