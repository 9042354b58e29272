"""What only the iptables provider has: rules that others see, programs that fail."""
import json
import socket
import struct
import subprocess
import time

import pytest

from world import endpoints, service, vip, world

VARIANTS = ["iptables-nft", "iptables-legacy"]
pytestmark = pytest.mark.parametrize("lab", VARIANTS, indirect=True)


def save(lab, family=4):
    return lab.sh("node", f"ip{'6' if family == 6 else ''}tables-{lab.variant}-save")


def rules(text):
    return [line for line in text.splitlines() if not line.startswith("#")]


def three(family):
    return [service("a", 1, family), service("b", 2, family, sessionAffinity="ClientIP"),
            service("c", 3, family), endpoints("a", family, "b1", "b2", "b3"), endpoints("b", family, "b1", "b2")]


def test_restart_writes_nothing(lab, family):
    lab.driver.ask("apply", world(three(family)))
    before = save(lab, family)
    lab.restart()
    lab.driver.ask("apply", world(three(family)))
    stats = lab.driver.ask("stats")
    assert (stats["applied"], stats["unchanged"]) == (0, 1)
    assert rules(save(lab, family)) == rules(before)


def test_restart_removes_what_went_meanwhile(lab, family):
    lab.driver.ask("apply", world(three(family)))
    lab.restart()
    lab.driver.ask("apply", world([service("a", 1, family), endpoints("a", family, "b1")]))
    text = save(lab, family)
    assert text.count(":KUBE-SVC-") == 2 and text.count(":KUBE-SEP-") == 2  # TCP and UDP
    assert lab.tcp("client", vip(1, family), 80).who == "b1"
    assert lab.tcp("client", vip(2, family), 80).outcome == "timeout"


def test_differences_end_where_full_writes_do(lab, family):
    """After any sequence of partial writes a look at the kernel finds nothing to repair."""
    worlds = [three(family), three(family)[:1], [], three(family)[1:],
              [service("a", 9, family, type="NodePort", ports=[{"name": "tcp", "port": 81, "nodePort": 30081}]),
               endpoints("a", family, "b2")]]
    for objects in worlds:
        lab.driver.ask("apply", world(objects))
        assert lab.driver.ask("repair") == 0


def test_one_endpoint_writes_few_chains(lab):
    many = [service(f"s{i}", i + 1, 4) for i in range(50)] + [endpoints(f"s{i}", 4, "b1", "b2") for i in range(50)]
    lab.driver.ask("apply", world(many))
    before = lab.driver.ask("stats")
    many[50] = endpoints("s0", 4, "b1", "b3")
    lab.driver.ask("apply", world(many))
    after = lab.driver.ask("stats")
    assert (after["partial"] - before["partial"], after["full"] - before["full"]) == (1, 0)
    assert {lab.tcp("client", vip(1, 4), 80).who for _ in range(16)} == {"b1", "b3"}


def test_drift_is_repaired(lab, family):
    lab.driver.ask("apply", world(three(family)))
    program = f"ip{'6' if family == 6 else ''}tables-{lab.variant}"
    lab.sh("node", program, "-t", "nat", "-F", "KUBE-SERVICES")
    lab.sh("node", program, "-t", "nat", "-D", "PREROUTING", "1")
    assert lab.tcp("client", vip(1, family), 80).outcome != "ok"
    assert lab.driver.ask("repair") == 1
    assert lab.tcp("client", vip(1, family), 80).outcome == "ok"
    assert lab.driver.ask("repair") == 0


def test_failed_difference_is_followed_by_all(lab, family):
    """Somebody emptied the table: the small write fails, and the next one puts everything back."""
    lab.driver.ask("apply", world(three(family)))
    program = f"ip{'6' if family == 6 else ''}tables-{lab.variant}"
    lab.sh("node", program, "-t", "nat", "-F")
    lab.sh("node", program, "-t", "nat", "-X")
    lab.driver.ask("apply", world(three(family) + [service("d", 4, family), endpoints("d", family, "b2")]))
    assert lab.driver.ask("stats")["failures"] == 1
    assert lab.tcp("client", vip(1, family), 80).outcome == "ok"
    assert lab.tcp("client", vip(4, family), 80).who == "b2"
    lab.restart()  # the next test starts its count afresh


def test_foreign_rules_stay(lab, family):
    program = f"ip{'6' if family == 6 else ''}tables-{lab.variant}"
    foreign = [["-t", "nat", "-N", "FOREIGN"], ["-t", "nat", "-A", "FOREIGN", "-j", "RETURN"],
               ["-t", "filter", "-N", "KUBE-KUBELET-CANARY"], ["-t", "filter", "-A", "INPUT", "-p", "tcp", "--dport", "1"]]
    for words in foreign:
        lab.sh("node", program, *words)
    lab.driver.ask("apply", world(three(family)))
    lab.driver.ask("apply", world([]))
    text = save(lab, family)
    assert ":FOREIGN" in text and "-A FOREIGN -j RETURN" in text and ":KUBE-KUBELET-CANARY" in text
    assert "-A INPUT -p tcp -m tcp --dport 1" in text


def test_shared_chain_keeps_kubelets_rules(lab):
    program = f"iptables-{lab.variant}"
    lab.sh("node", program, "-N", "KUBE-FIREWALL", check=False)
    lab.sh("node", program, "-A", "KUBE-FIREWALL", "-s", "198.51.100.99", "-j", "DROP")
    ports = [{"name": "tcp", "port": 80, "nodePort": 30080}]
    objects = [service("web", 1, 4, type="NodePort", ports=ports), endpoints("web", 4, "b1")]
    lab.driver.ask("apply", world(objects, localhostNodePorts=True))
    text = save(lab)
    assert "-A KUBE-FIREWALL -s 198.51.100.99/32 -j DROP" in text
    assert text.count("block incoming localnet connections") == 1


LISTEN_ON_LOOPBACK = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 5353))
print("ready", flush=True)
for _ in sys.stdin:
    s.setblocking(False)
    try:
        print(s.recv(99).decode(), flush=True)
    except BlockingIOError:
        print("nothing", flush=True)
"""


def frame_to_loopback(lab):
    """A neighbour's UDP datagram to 127.0.0.1:5353, as no kernel would send it."""
    mac = lab.sh("node", "cat", "/sys/class/net/v-outside/address").strip()
    udp = struct.pack("!HHHH", 4000, 5353, 8 + 5, 0) + b"hello"
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
                         socket.inet_aton("192.0.2.50"), socket.inet_aton("127.0.0.1"))
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    header = header[:10] + struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + header[12:]
    with lab.socket("outside", socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind(("eth0", 0x0800))
        own = s.getsockname()[4]
        s.send(bytes.fromhex(mac.replace(":", "")) + own + b"\x08\x00" + header + udp)


def test_localhost_node_ports(lab):
    """Asked for: 127.0.0.1 of the node answers, and neighbours still do not reach its loopback (CVE-2020-8558)."""
    ports = [{"name": "tcp", "port": 80, "nodePort": 30080}]
    objects = [service("web", 1, 4, type="NodePort", ports=ports), endpoints("web", 4, "b1")]
    lab.driver.ask("apply", world(objects, localhostNodePorts=True))
    assert lab.sh("node", "cat", "/proc/sys/net/ipv4/conf/all/route_localnet").strip() == "1"
    probe = "import socket;s=socket.create_connection(('127.0.0.1',30080),2);print(s.recv(99).decode())"
    assert lab.sh("node", "/usr/bin/python3", "-c", probe).startswith("b1 ")

    command = ["ip", "netns", "exec", lab.name("node"), "/usr/bin/python3", "-c", LISTEN_ON_LOOPBACK]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as listener:
        def heard():
            listener.stdin.write("?\n")
            listener.stdin.flush()
            return listener.stdout.readline().strip()

        assert listener.stdout.readline() == "ready\n"
        frame_to_loopback(lab)
        assert heard() == "nothing"
        lab.sh("node", f"iptables-{lab.variant}", "-F", "KUBE-FIREWALL")  # without the rule it would get through
        frame_to_loopback(lab)
        assert heard() == "hello"
        assert lab.driver.ask("repair") == 1
        frame_to_loopback(lab)
        assert heard() == "nothing"
        listener.stdin.close()


def test_killed_in_the_middle(lab):
    """kill -9 at any moment leaves nothing that the next start does not put right."""
    worlds = [three(4), three(4)[:1] + [endpoints("a", 4, "b2")]]
    for i in range(6):
        lab.driver.process.stdin.write(json.dumps({"apply": world(worlds[i % 2])}) + "\n")
        lab.driver.process.stdin.flush()
        time.sleep(0.01 * i)  # a different moment each time, not a wait for anything
        lab.driver.process.kill()
        lab.driver.process.wait()
        lab.start_driver()
        lab.driver.ask("apply", world(worlds[(i + 1) % 2]))
        assert lab.driver.ask("repair") == 0
        assert lab.tcp("client", vip(1, 4), 80).outcome == "ok"


def test_cleanup_removes_everything(lab, family):
    lab.driver.ask("apply", world(three(family)))
    lab.driver.ask("cleanup")
    ours = [line for line in rules(save(lab, family)) if "KUBE-" in line
            and "KUBE-FIREWALL" not in line and "KUBE-KUBELET-CANARY" not in line]
    assert ours == []
    lab.driver.ask("apply", world(three(family)))
    assert lab.tcp("client", vip(1, family), 80).outcome == "ok"
