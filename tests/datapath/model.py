"""What section 3 of the service reference says of one packet, read naively from the API objects.

Written apart from src/service and the fake datapath, and as directly as possible: no state, no sets kept, every question
answered from the objects. The random test compares it with the fake, and both with real packets.
"""
import ipaddress

import lab


def network(text):
    return ipaddress.ip_network(text.strip(), strict=False)


def inside(address, networks):
    address = ipaddress.ip_address(address)
    return any(address in n for n in map(network, networks) if n.version == address.version)


def usable(address):
    a = ipaddress.ip_address(address)
    return not (a.is_loopback or a.is_link_local or a.is_multicast or a.is_unspecified)


class Model:
    def __init__(self, world):
        self.config, self.node = world["config"], world["node"]
        self.services, self.slices = world["services"], world["slices"]
        self.node_ips = [a["address"] for a in self.node["status"]["addresses"]]
        self.zone = self.node["metadata"].get("labels", {}).get("topology.kubernetes.io/zone")

    # Endpoints (3.2)

    def endpoints(self, service, port, family):
        found = {}
        for s in sorted(self.slices, key=lambda s: s["metadata"]["name"]):
            meta = s["metadata"]
            if (meta["namespace"] != service["metadata"]["namespace"] or s["addressType"] != f"IPv{family}"
                    or meta["labels"].get("kubernetes.io/service-name") != service["metadata"]["name"]):
                continue
            numbers = [p["port"] for p in s["ports"] if p["name"] == port["name"] and p["protocol"] == port["protocol"]]
            for e in s["endpoints"] if numbers else []:
                key = (e["addresses"][0], numbers[0])
                if usable(key[0]) and (key not in found or not self.condition(e, "terminating", False)):
                    found[key] = e
        return found

    @staticmethod
    def condition(endpoint, name, default=True):
        value = endpoint.get("conditions", {}).get(name)
        return default if value is None else value

    def ready(self, e):
        return self.condition(e, "ready")

    def leaving(self, e):
        return self.condition(e, "serving") and self.condition(e, "terminating", False)

    def local(self, e):
        return e.get("nodeName") == self.config["nodeName"]

    # Sets (3.4)

    def hints(self, e, kind):
        return [h["name"] for h in e.get("hints", {}).get(kind, [])]

    def cluster_set(self, found):
        ready = {k: e for k, e in found.items() if self.ready(e)}
        if not ready:
            return {k for k, e in found.items() if self.leaving(e)}
        for kind, name in (("forNodes", self.config["nodeName"]), ("forZones", self.zone)):
            hinted = all(self.hints(e, kind) for e in ready.values())
            near = {k for k, e in ready.items() if name and name in self.hints(e, kind)}
            if hinted and near:
                return near
        return set(ready)

    def local_set(self, found):
        ready = {k for k, e in found.items() if self.local(e) and self.ready(e)}
        return ready or {k for k, e in found.items() if self.local(e) and self.leaving(e)}

    # Frontends (3.3, 3.5)

    def accepted(self, address):
        return usable(address) and not inside(address, self.config["serviceCIDRs"] + self.config["clusterCIDRs"])

    def frontends(self, service, family):
        """(kind, address or None, port) of a Service."""
        spec = service["spec"]
        cluster = [ip for ip in spec.get("clusterIPs", []) if ip != "None" and lab.family_of(ip) == family]
        if spec.get("type") == "ExternalName" or not cluster:
            return
        seen = set(cluster)
        ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress", [])
        balancer = [i["ip"] for i in ingress if i.get("ipMode", "VIP") == "VIP"] if spec.get("type") == "LoadBalancer" else []
        addresses = [("cluster", cluster[0])]
        for kind, list_ in (("external", spec.get("externalIPs", [])), ("balancer", balancer)):
            for ip in list_:
                if lab.family_of(ip) == family and self.accepted(ip) and ip not in seen:
                    seen.add(ip)
                    addresses.append((kind, ip))
        for port in spec["ports"]:
            for kind, ip in addresses:
                yield kind, ip, port["port"], port
            if port.get("nodePort"):
                yield "node", None, port["nodePort"], port

    def is_node(self, address):
        return address in self.node_ips or ipaddress.ip_address(address).is_loopback

    def takes_node_ports(self, address):
        a = ipaddress.ip_address(address)
        wanted = self.config.get("nodePortAddresses", [])
        if not self.is_node(address) or (a.is_loopback and (a.version == 6 or not self.config.get("localhostNodePorts"))):
            return False
        if wanted == ["primary"]:
            return address in self.node_ips
        return not wanted or inside(address, wanted)

    def find(self, packet):
        family = lab.family_of(packet["dst"])
        found = []
        for service in self.services:
            for kind, ip, number, port in self.frontends(service, family):
                if number != packet["port"] or port["protocol"].lower() != packet["protocol"]:
                    continue
                if ip == packet["dst"] or (kind == "node" and self.takes_node_ports(packet["dst"])):
                    meta = service["metadata"]
                    rank = (kind == "node", kind != "cluster", meta.get("creationTimestamp", ""), meta["namespace"],
                            meta["name"])
                    found.append((rank, kind, service, port))
        return min(found, key=lambda f: f[0])[1:] if found else None

    def local_pod(self, packet):
        mode = self.config.get("detectLocalMode", "ClusterCIDR")
        interface = packet.get("interface", "")
        if mode == "BridgeInterface":
            return interface == self.config["interface"]
        if mode == "InterfaceNamePrefix":
            return interface.startswith(self.config["interface"])
        cidrs = self.config["clusterCIDRs"] if mode == "ClusterCIDR" else self.node["spec"]["podCIDRs"]
        first = [c for c in cidrs if network(c).version == lab.family_of(packet["dst"])][:1]
        return inside(packet["src"], first)

    def detects(self, family):
        if self.config.get("detectLocalMode", "ClusterCIDR") != "ClusterCIDR":
            return True
        return any(network(c).version == family for c in self.config["clusterCIDRs"])

    def in_source_ranges(self, service, packet):
        family = lab.family_of(packet["dst"])
        ranges = [r for r in service["spec"].get("loadBalancerSourceRanges", []) if network(r).version == family]
        if not ranges or any(network(r).prefixlen == 0 for r in ranges):
            return True
        own = [ip for ip in self.node_ips if lab.family_of(ip) == family]
        vips = [i["ip"] for i in service["status"]["loadBalancer"]["ingress"] if lab.family_of(i["ip"]) == family]
        return inside(packet["src"], ranges) or (any(inside(ip, ranges) for ip in own) and packet["src"] in vips)

    def verdict(self, packet):
        """(verdict, set of (address, port), masqueraded)."""
        found = self.find(packet)
        family = lab.family_of(packet["dst"])
        if not found:
            cluster = {ip for s in self.services for kind, ip, _, _ in self.frontends(s, family) if kind == "cluster"}
            if self.is_node(packet["dst"]):
                return "pass", set(), False
            if packet["dst"] in cluster:
                return "reject", set(), False
            return ("drop" if inside(packet["dst"], self.config["serviceCIDRs"]) else "pass"), set(), False
        kind, service, port = found
        spec = service["spec"]
        if kind == "balancer" and not self.in_source_ranges(service, packet):
            return "drop", set(), False
        endpoints = self.endpoints(service, port, family)
        cluster, local = self.cluster_set(endpoints), self.local_set(endpoints)
        if not any(self.ready(e) or self.leaving(e) for e in endpoints.values()):
            return "reject", set(), False
        pod, node = self.local_pod(packet), self.is_node(packet["src"])
        if kind == "cluster":
            chosen = local if spec.get("internalTrafficPolicy") == "Local" else cluster
            masquerade = self.config.get("masqueradeAll", False) or (self.detects(family) and not pod)
        elif spec.get("externalTrafficPolicy") == "Local":
            chosen = cluster if pod or node else local
            masquerade = node and not pod
        else:
            chosen, masquerade = cluster, True
        return ("forward", chosen, masquerade) if chosen else ("drop", set(), False)
