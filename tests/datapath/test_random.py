"""Random worlds: the naive model, the fake datapath and real packets must agree."""
import random

import pytest

import lab as lab_module
from lab import PODS, ip_of, pod_ip
from model import Model
from world import endpoint, vip, world

SOURCES = ["client", "b1", "b3", "node", "outside"]
OUTER = {4: "203.0.113.{}", 6: "2001:db8:e::{}"}
BALANCER = {4: "198.51.100.{}", 6: "2001:db8:b::{}"}


def random_service(r, n):
    kind = r.choice(["ClusterIP", "NodePort", "LoadBalancer", "LoadBalancer"])
    families = r.choice([[4], [6], [4, 6], [6, 4]])
    ports = [{"name": p, "port": 80, "protocol": p.upper()} for p in ("tcp", "udp") if r.random() < 0.85]
    ports += [{"name": "more", "port": 81, "protocol": "TCP"}] if r.random() < 0.3 else []
    for i, port in enumerate(ports):
        if kind != "ClusterIP" and r.random() < 0.8:
            port["nodePort"] = 30000 + 10 * (n % 4) + i
    spec = {"type": kind, "clusterIPs": [vip(n + 1, f) for f in families], "ports": ports,
            "internalTrafficPolicy": r.choice(["Cluster", "Local"]), "externalTrafficPolicy": r.choice(["Cluster", "Local"])}
    if r.random() < 0.4:
        spec["externalIPs"] = [OUTER[f].format(1 + n % 2) for f in (4, 6)] + ([vip(1, 4)] if r.random() < 0.2 else [])
    ingress = []
    if kind == "LoadBalancer":
        ingress = [{"ip": BALANCER[f].format(n + 1)} for f in (4, 6)]
        if r.random() < 0.5:
            ranges = ["192.0.2.0/24", "10.244.1.0/24", "10.244.0.0/16", "2001:db8::/64", "fd00:244::/32", "0.0.0.0/0"]
            spec["loadBalancerSourceRanges"] = r.sample(ranges, 2)
    return {"metadata": {"namespace": "default", "name": f"s{n}"}, "spec": spec,
            "status": {"loadBalancer": {"ingress": ingress}}}


def random_endpoint(r, pod, family):
    conditions = r.choice([{}, {}, {}, {"ready": False, "serving": True, "terminating": True},
                           {"ready": False, "serving": False}, {"ready": None, "terminating": True}])
    e = endpoint(pod, family, **conditions)
    if r.random() < 0.6:
        e["hints"] = {"forZones": [{"name": r.choice(["z1", "z1", "z2"])}]}
        if r.random() < 0.5:
            e["hints"]["forNodes"] = [{"name": r.choice(["n1", "n1", "n2"])}]
    return e


def random_slice(r, n, n_services):
    family = r.choice([4, 6])
    pods = r.sample(["b1", "b2", "b3", "client"], r.randint(0, 4))
    number = lab_module.BACKEND_PORT + r.randint(0, 1)
    return {"metadata": {"namespace": "default", "name": f"x{n}",
                         "labels": {"kubernetes.io/service-name": f"s{r.randrange(n_services)}"}},
            "addressType": f"IPv{family}",
            "ports": [{"name": p, "port": number, "protocol": q} for p, q in (("tcp", "TCP"), ("udp", "UDP"), ("more", "TCP"))],
            "endpoints": [random_endpoint(r, pod, family) for pod in pods]}


def random_world(r):
    n_services = r.randint(1, 5)
    config = r.choice([{}, {}, {"masqueradeAll": True}, {"detectLocalMode": "NodeCIDR"}, {"clusterCIDRs": []},
                       {"detectLocalMode": "InterfaceNamePrefix", "interface": "v-c"},
                       {"nodePortAddresses": ["primary"]}, {"nodePortAddresses": ["10.0.0.0/8"]},
                       {"nodePortAddresses": ["192.0.2.0/24"]}, {"serviceCIDRs": []}])
    w = world([random_service(r, n) for n in range(n_services)] + [random_slice(r, n, n_services) for n in range(7)], **config)
    w["node"]["metadata"]["labels"] = {"topology.kubernetes.io/zone": r.choice(["z1", "z2", "z9"])}
    return w


def random_packet(r, source):
    family = r.choice([4, 6])
    n = r.randint(1, 5)
    protocol = r.choice(["tcp", "udp"])
    dst, port = r.choice([(vip(n, family), 80), (vip(n, family), 80), (vip(n, family), 81), (vip(9, family), 80),
                          (OUTER[family].format(1 + n % 2), 80), (BALANCER[family].format(n), 80),
                          (ip_of("node", family), 30000 + 10 * (n % 4) + r.randint(0, 1))])
    packet = {"src": ip_of(source, family), "dst": dst, "protocol": protocol, "port": port,
              "nodeIPs": [ip_of("node", 4), ip_of("node", 6)]}
    if source != "node":
        packet["interface"] = f"v-{source}"
    return packet


def check_fake(fake, model, packet):
    verdict, backends, masqueraded = model.verdict(packet)
    result = fake.driver.ask("probe", packet)
    assert result["verdict"] == verdict, (packet, result)
    assert {(b["ip"], b["port"]) for b in result.get("candidates", [])} == backends, (packet, result)
    if verdict == "forward":
        assert result["masqueraded"] == (masqueraded or result["ip"] == packet["src"]), (packet, result)


@pytest.mark.parametrize("lab", ["fake"], indirect=True)
@pytest.mark.parametrize("batch", range(4))
def test_fake_agrees_with_the_model(lab, batch):
    r = random.Random(1000 + batch)
    for _ in range(60):
        w = random_world(r)
        lab.driver.ask("apply", w)
        model = Model(w)
        for _ in range(40):
            check_fake(lab, model, random_packet(r, r.choice(SOURCES)))


def check_real(lab, model, source, packet):
    verdict, backends, masqueraded = model.verdict(packet)
    family = lab_module.family_of(packet["dst"])
    answer = getattr(lab, packet["protocol"])(source, packet["dst"], packet["port"])
    if verdict == "forward":
        assert answer.outcome == "ok", (packet, verdict, backends, answer)
        address = pod_ip(answer.who, family)
        assert address in {ip for ip, _ in backends}, (packet, backends, answer)
        seen = "node" if masqueraded or address == packet["src"] else "client"
        if source != "node":
            assert answer.source == seen, (packet, backends, answer)
    elif verdict == "pass":
        assert answer.outcome != "ok", (packet, answer)
    else:
        assert answer.outcome == {"reject": "refused", "drop": "timeout"}[verdict], (packet, verdict, answer)


@pytest.mark.parametrize("lab", ["iptables-nft", "iptables-legacy"], indirect=True)
@pytest.mark.parametrize("batch", range(3))
def test_packets_agree_with_the_model(lab, batch):
    r = random.Random(2000 + batch)
    silent = 0
    for _ in range(8):
        w = random_world(r)
        lab.driver.ask("apply", w)
        model = Model(w)
        for _ in range(24):
            source = r.choice(SOURCES)
            packet = random_packet(r, source)
            if model.verdict(packet)[0] in ("drop", "pass"):  # each takes a time-out: a few will do
                silent += 1
                if silent > 6:
                    continue
            check_real(lab, model, source, packet)
