"""Wanted worlds: Services, EndpointSlices, the node and its configuration, as the API has them."""
import lab

CLUSTER_IP = {4: "10.96.0.{}", 6: "fd00:96::{:x}"}


def vip(n, family):
    return CLUSTER_IP[family].format(n)


def service(name, n, family, *, ports=None, **spec):
    """A Service whose ClusterIP ends in N."""
    ports = ports or [{"name": "tcp", "port": 80, "protocol": "TCP"}, {"name": "udp", "port": 80, "protocol": "UDP"}]
    status = spec.pop("status", {})
    return {"metadata": {"namespace": "default", "name": name}, "status": status,
            "spec": {"clusterIPs": [vip(n, family)], "ports": ports, **spec}}


def endpoint(pod, family, **conditions):
    return {"addresses": [lab.pod_ip(pod, family)], "nodeName": lab.PODS[pod][2], "conditions": conditions}


def endpoints(name, family, *pods, port=lab.BACKEND_PORT, suffix=""):
    """A slice of the Service with these pods (names, or endpoint objects)."""
    return {"metadata": {"namespace": "default", "name": f"{name}-{family}{suffix}",
                         "labels": {"kubernetes.io/service-name": name}},
            "addressType": f"IPv{family}",
            "ports": [{"name": "tcp", "port": port, "protocol": "TCP"}, {"name": "udp", "port": port, "protocol": "UDP"}],
            "endpoints": [pod if isinstance(pod, dict) else endpoint(pod, family) for pod in pods]}


def world(objects, **config):
    node = {"metadata": {"name": "n1"}, "spec": {"podCIDRs": ["10.244.1.0/24", "fd00:244:0:1::/64"]},
            "status": {"addresses": [{"type": "InternalIP", "address": lab.ip_of("node", f)} for f in (4, 6)]}}
    config = {"nodeName": "n1", "clusterCIDRs": ["10.244.0.0/16", "fd00:244::/32"],
              "serviceCIDRs": ["10.96.0.0/16", "fd00:96::/112"], **config}
    return {"config": config, "node": node, "services": [o for o in objects if "addressType" not in o],
            "slices": [o for o in objects if "addressType" in o]}
