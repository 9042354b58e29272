"""What every datapath must do with a new connection, asked with real packets (the fake: of its model)."""
import collections
import time

import pytest

from lab import BACKEND_PORT, ip_of, pod_ip
from world import endpoint, endpoints, service, vip, world

ALL = ("b1", "b2", "b3")


def apply(lab, *objects, **config):
    return lab.driver.ask("apply", world(objects, **config))


def ask(lab, protocol, source, address, port=80):
    return getattr(lab, protocol)(source, address, port)


def who(lab, protocol, source, address, n, port=80):
    answers = [ask(lab, protocol, source, address, port) for _ in range(n)]
    assert all(a.outcome == "ok" for a in answers), answers
    return collections.Counter(a.who for a in answers)


def test_cluster_ip_spreads_over_all_endpoints(lab, family, protocol):
    apply(lab, service("web", 1, family), endpoints("web", family, *ALL))
    for source in ("client", "node", "outside"):
        counts = who(lab, protocol, source, vip(1, family), 60)
        assert set(counts) == set(ALL) and min(counts.values()) >= 5, counts


def test_no_endpoints_is_refused(lab, family, protocol):
    apply(lab, service("web", 1, family))
    for source in ("client", "node", "outside"):
        assert ask(lab, protocol, source, vip(1, family)).outcome == "refused"


def test_endpoints_come_and_go(lab, family, protocol):
    s = service("web", 1, family)
    for pods in (["b1"], ["b2"], [], ["b1", "b3"], ["b3"]):
        apply(lab, s, endpoints("web", family, *pods))
        if not pods:
            assert ask(lab, protocol, "client", vip(1, family)).outcome == "refused"
        else:
            assert set(who(lab, protocol, "client", vip(1, family), 12)) == set(pods)


def test_other_port_of_a_cluster_ip_is_refused(lab, family, protocol):
    apply(lab, service("web", 1, family), endpoints("web", family, *ALL))
    for source in ("client", "node", "outside"):
        assert ask(lab, protocol, source, vip(1, family), 81).outcome == "refused"


def test_no_ping(lab, family):
    apply(lab, service("web", 1, family), endpoints("web", family, *ALL))
    for source in ("client", "node", "outside"):
        assert not lab.ping(source, vip(1, family))
    if lab.real:
        assert lab.ping("client", ip_of("node", family))  # or the question would be no question


def test_unallocated_cluster_ip_is_silent(lab, family):
    apply(lab, service("web", 1, family), endpoints("web", family, *ALL))
    assert ask(lab, "tcp", "client", vip(99, family)).outcome == "timeout"


def test_deleting_a_service_leaves_others_alone(lab, family, protocol):
    one, two = service("one", 1, family), service("two", 2, family)
    ends = [endpoints("one", family, "b1"), endpoints("two", family, "b2")]
    apply(lab, one, two, *ends)
    apply(lab, two, *ends)
    assert ask(lab, protocol, "client", vip(1, family)).outcome == "timeout"
    assert ask(lab, protocol, "client", vip(2, family)).who == "b2"
    apply(lab, service("one", 3, family), two, *ends)
    assert ask(lab, protocol, "client", vip(3, family)).who == "b1"


def test_hairpin(lab, family, protocol):
    """A pod that is the only endpoint reaches itself; it must see another source, or the answer is lost."""
    apply(lab, service("web", 1, family), endpoints("web", family, "b1"))
    answer = ask(lab, protocol, "b1", vip(1, family))
    assert (answer.outcome, answer.who, answer.source) == ("ok", "b1", "node")


def test_pod_address_is_kept(lab, family, protocol):
    apply(lab, service("web", 1, family), endpoints("web", family, "b1", "b3"))
    for _ in range(8):
        assert ask(lab, protocol, "client", vip(1, family)).source == "client"


def test_off_cluster_sources_are_masqueraded(lab, family, protocol):
    apply(lab, service("web", 1, family), endpoints("web", family, "b1"))
    answer = ask(lab, protocol, "outside", vip(1, family))
    assert (answer.who, answer.source) == ("b1", "node")


def test_without_detector_nothing_is_masqueraded(lab, family, protocol):
    apply(lab, service("web", 1, family), endpoints("web", family, "b1"), clusterCIDRs=[])
    assert ask(lab, protocol, "outside", vip(1, family)).source == "client"


def test_masquerade_all(lab, family, protocol):
    apply(lab, service("web", 1, family), endpoints("web", family, "b1"), masqueradeAll=True)
    assert ask(lab, protocol, "client", vip(1, family)).source == "node"


@pytest.mark.parametrize("detector", [
    {"detectLocalMode": "NodeCIDR"},
    {"detectLocalMode": "InterfaceNamePrefix", "interface": "v-c"},
    {"detectLocalMode": "BridgeInterface", "interface": "v-client"},
], ids=["NodeCIDR", "prefix", "bridge"])
def test_detectors(lab, family, detector):
    apply(lab, service("web", 1, family), endpoints("web", family, "b2"), **detector)
    assert ask(lab, "tcp", "client", vip(1, family)).source == "client"
    assert ask(lab, "tcp", "b3", vip(1, family)).source == "node"  # a pod of another node


def test_affinity(lab, family, protocol):
    ports = [{"name": p, "port": 80, "protocol": p.upper(), "nodePort": 30080} for p in ("tcp", "udp")]
    apply(lab, service("web", 1, family, type="NodePort", sessionAffinity="ClientIP", ports=ports),
          endpoints("web", family, *ALL))
    for source in ("client", "outside"):
        counts = who(lab, protocol, source, vip(1, family), 15)
        counts += who(lab, protocol, source, ip_of("node", family), 5, 30080)
        assert len(counts) == 1, counts
        chosen = next(iter(counts))
        apply(lab, service("web", 1, family, type="NodePort", sessionAffinity="ClientIP", ports=ports),
              endpoints("web", family, *(p for p in ALL if p != chosen)))
        again = who(lab, protocol, source, vip(1, family), 15)
        assert len(again) == 1 and chosen not in again, again


def test_affinity_can_be_switched_off(lab, family):
    on = service("web", 1, family, sessionAffinity="ClientIP")
    apply(lab, on, endpoints("web", family, *ALL))
    assert len(who(lab, "tcp", "client", vip(1, family), 10)) == 1
    apply(lab, service("web", 1, family), endpoints("web", family, *ALL))
    assert len(who(lab, "tcp", "client", vip(1, family), 40)) == 3


def test_affinity_ends_with_its_timeout(lab):
    """A client may move once it was away for longer than the timeout, and does so soon."""
    s = service("web", 1, 4, sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 1}})
    apply(lab, s, endpoints("web", 4, *ALL))
    first = ask(lab, "tcp", "client", vip(1, 4)).who
    assert set(who(lab, "tcp", "client", vip(1, 4), 15)) == {first}
    for _ in range(12):  # each time with two chances in three
        time.sleep(2.1)  # the timeout itself is what is tested; xt_recent counts whole seconds
        if ask(lab, "tcp", "client", vip(1, 4)).who != first:
            return
    raise AssertionError(f"the client stays with {first} for ever")


def test_one_port_number_for_tcp_and_udp(lab, family):
    ports = [{"name": "tcp", "port": 53, "protocol": "TCP"}, {"name": "udp", "port": 53, "protocol": "UDP"}]
    tcp, udp = endpoints("dns", family, "b1", suffix="-t"), endpoints("dns", family, "b2", suffix="-u")
    tcp["ports"], udp["ports"] = tcp["ports"][:1], udp["ports"][1:]
    apply(lab, service("dns", 1, family, ports=ports), tcp, udp)
    assert set(who(lab, "tcp", "client", vip(1, family), 6, 53)) == {"b1"}
    assert set(who(lab, "udp", "client", vip(1, family), 6, 53)) == {"b2"}


def test_one_port_name_with_different_numbers(lab, family, protocol):
    apply(lab, service("web", 1, family), endpoints("web", family, "b1"),
          endpoints("web", family, "b2", port=BACKEND_PORT + 1, suffix="-b"))
    assert set(who(lab, protocol, "client", vip(1, family), 24)) == {"b1", "b2"}


def test_terminating_endpoints_are_the_last_resort(lab, family, protocol):
    leaving = endpoint("b1", family, ready=False, serving=True, terminating=True)
    apply(lab, service("web", 1, family), endpoints("web", family, leaving, "b2"))
    assert set(who(lab, protocol, "client", vip(1, family), 12)) == {"b2"}
    apply(lab, service("web", 1, family), endpoints("web", family, leaving))
    assert set(who(lab, protocol, "client", vip(1, family), 3)) == {"b1"}


def test_internal_local(lab, family, protocol):
    local = service("web", 1, family, internalTrafficPolicy="Local")
    apply(lab, local, endpoints("web", family, *ALL))
    assert set(who(lab, protocol, "client", vip(1, family), 24)) == {"b1", "b2"}
    apply(lab, local, endpoints("web", family, "b3"))
    assert ask(lab, protocol, "client", vip(1, family)).outcome == "timeout"


def node_port(family, **spec):
    ports = [{"name": p, "port": 80, "protocol": p.upper(), "nodePort": 30080} for p in ("tcp", "udp")]
    return service("web", 1, family, type="NodePort", ports=ports, **spec)


def test_node_port(lab, family, protocol):
    apply(lab, node_port(family), endpoints("web", family, *ALL))
    node = ip_of("node", family)
    for source in ("outside", "client", "node"):
        assert set(who(lab, protocol, source, node, 24, 30080)) == set(ALL)
    assert ask(lab, protocol, "outside", node, 30080).source == "node"
    assert ask(lab, protocol, "outside", node, 30081).outcome != "ok"
    apply(lab, node_port(family))
    for source in ("outside", "client", "node"):
        assert ask(lab, protocol, source, node, 30080).outcome == "refused"


def test_node_port_addresses(lab, family):
    named, other = ("192.0.2.0/24", "10.0.0.0/8") if family == 4 else ("2001:db8::/64", "fd00::/16")
    node = ip_of("node", family)
    apply(lab, node_port(family), endpoints("web", family, "b1"), nodePortAddresses=[named])
    assert ask(lab, "tcp", "outside", node, 30080).who == "b1"
    apply(lab, node_port(family), endpoints("web", family, "b1"), nodePortAddresses=["primary"])
    assert ask(lab, "tcp", "outside", node, 30080).who == "b1"
    apply(lab, node_port(family), endpoints("web", family, "b1"), nodePortAddresses=[other])
    assert ask(lab, "tcp", "outside", node, 30080).outcome != "ok"


def test_external_local(lab, family, protocol):
    local = node_port(family, externalTrafficPolicy="Local")
    node = ip_of("node", family)
    apply(lab, local, endpoints("web", family, "b1", "b3"))
    for _ in range(8):
        answer = ask(lab, protocol, "outside", node, 30080)
        assert (answer.who, answer.source) == ("b1", "client")
    apply(lab, local, endpoints("web", family, "b3"))
    assert ask(lab, protocol, "outside", node, 30080).outcome == "timeout"
    answer = ask(lab, protocol, "client", node, 30080)  # short-circuited: pods of this node keep their address
    assert (answer.who, answer.source) == ("b3", "client")
    assert ask(lab, protocol, "node", node, 30080).who == "b3"


OUTER = {4: ("203.0.113.7", "203.0.113.8", "192.0.2.0/24", "198.51.100.0/24"),
         6: ("2001:db8:1::7", "2001:db8:1::8", "2001:db8::/64", "2001:db8:2::/64")}


def test_external_ip(lab, family, protocol):
    address = OUTER[family][0]
    apply(lab, service("web", 1, family, externalIPs=[address]), endpoints("web", family, *ALL))
    assert set(who(lab, protocol, "outside", address, 24)) == set(ALL)
    apply(lab, service("web", 1, family, externalIPs=[address]))
    assert ask(lab, protocol, "outside", address).outcome == "refused"


def balancer(family, *ranges):
    status = {"loadBalancer": {"ingress": [{"ip": ip, "ipMode": "VIP"} for ip in OUTER[family][:2]]}}
    return service("web", 1, family, type="LoadBalancer", loadBalancerSourceRanges=list(ranges), status=status)


def test_balancer_source_ranges(lab, family, protocol):
    first, second, near, far = OUTER[family]
    apply(lab, balancer(family), endpoints("web", family, *ALL))
    assert set(who(lab, protocol, "outside", second, 24)) == set(ALL)
    apply(lab, balancer(family, far), endpoints("web", family, *ALL))
    for address in (first, second):
        assert ask(lab, protocol, "outside", address).outcome == "timeout"
        assert ask(lab, protocol, "client", address).outcome == "timeout"
    assert ask(lab, protocol, "client", vip(1, family)).outcome == "ok"  # ranges are for balancer addresses only
    apply(lab, balancer(family, far, near), endpoints("web", family, *ALL))
    assert ask(lab, protocol, "outside", first).outcome == "ok"
    assert ask(lab, protocol, "client", first).outcome == "timeout"
    apply(lab, balancer(family, near))
    assert ask(lab, protocol, "outside", first).outcome == "refused"
    assert ask(lab, protocol, "client", first).outcome == "timeout"


def test_udp_client_with_fixed_port_moves(lab, family):
    """Conntrack remembers where a client's datagrams went; the proxy must make it forget (5.1, #139628)."""
    ports = [{"name": "udp", "port": 80, "protocol": "UDP", "nodePort": 30080}]
    s = service("web", 1, family, type="NodePort", ports=ports)
    for source, address, port in (("client", vip(1, family), 80), ("outside", ip_of("node", family), 30080)):
        for pods in (["b1"], ["b2"], [], ["b1"], ["b3"]):
            apply(lab, s, endpoints("web", family, *pods))
            answer = lab.udp(source, address, port, sport=40000)
            assert (answer.outcome, answer.who) == (("ok", pods[0]) if pods else ("refused", None)), pods


def test_udp_flow_of_a_deleted_service_ends(lab, family):
    apply(lab, service("one", 1, family), endpoints("one", family, "b1"))
    assert lab.udp("client", vip(1, family), 80, sport=40001).who == "b1"
    apply(lab, endpoints("one", family, "b1"))
    assert lab.udp("client", vip(1, family), 80, sport=40001).outcome == "timeout"
    apply(lab, service("two", 1, family), endpoints("two", family, "b2"))
    assert lab.udp("client", vip(1, family), 80, sport=40001).who == "b2"


def test_udp_flow_to_a_living_endpoint_stays(lab, family):
    apply(lab, service("one", 1, family), endpoints("one", family, "b1"))
    assert lab.udp("client", vip(1, family), 80, sport=40002).who == "b1"
    before = lab.driver.ask("stats")["staleFlows"]
    leaving = endpoint("b1", family, ready=False, serving=True, terminating=True)
    apply(lab, service("one", 1, family), endpoints("one", family, leaving, "b2"))
    assert lab.driver.ask("stats")["staleFlows"] == before
    if lab.real:  # the model has no connections
        assert lab.udp("client", vip(1, family), 80, sport=40002).who == "b1"


def test_big_datagrams(lab, family):
    apply(lab, service("web", 1, family), endpoints("web", family, "b1"))
    assert lab.udp("client", vip(1, family), 80, payload=b"x" * 2000).who == "b1"


def test_hostile_endpoints_are_not_programmed(lab, family):
    bad = ["127.0.0.1", "169.254.169.254"] if family == 4 else ["::1", "fe80::1"]
    slice_ = endpoints("web", family)
    slice_["endpoints"] = [{"addresses": [a]} for a in bad]
    complaints = apply(lab, service("web", 1, family), slice_)
    assert all(a in complaints for a in bad)
    assert ask(lab, "tcp", "client", vip(1, family)).outcome == "refused"


def test_target_is_a_cluster_pod_ip_only(lab, family):
    """An external IP inside the ranges of pods or ClusterIPs hijacks nobody (CVE-2020-8554)."""
    apply(lab, service("web", 1, family), endpoints("web", family, "b1"),
          service("evil", 2, family, externalIPs=[vip(1, family), pod_ip("b3", family)]),
          endpoints("evil", family, "b2"))
    assert set(who(lab, "tcp", "client", vip(1, family), 8)) == {"b1"}
    assert set(who(lab, "tcp", "client", pod_ip("b3", family), 1, BACKEND_PORT)) == {"b3"} if lab.real else True
