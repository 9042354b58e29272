"""Which of the two iptables a host uses."""
import os
import subprocess

import pytest

from lab import Driver
from world import endpoints, service, world


@pytest.mark.parametrize("setup, expected", [
    ([], None),
    (["iptables-legacy -N MINE", "iptables-legacy -A MINE -j RETURN", "iptables-legacy -A MINE -j RETURN"], "legacy"),
    (["iptables-nft -N MINE", "iptables-nft -A MINE -j RETURN", "iptables-legacy -N MINE"], "nft"),
    (["iptables-nft -t mangle -N KUBE-KUBELET-CANARY", "iptables-legacy -N MINE", "iptables-legacy -A MINE -j RETURN"],
     "nft"),
    (["iptables-legacy -t mangle -N KUBE-IPTABLES-HINT", "iptables-nft -N MINE", "iptables-nft -A MINE -j RETURN"],
     "legacy"),
], ids=["empty", "legacy-rules", "nft-rules", "kubelet-nft", "kubelet-legacy"])
def test_variant_of_the_host_is_found(setup, expected):
    """Rules of one variant do not see those of the other, so a proxy must use what the host uses."""
    name = f"fl{os.getpid()}-variant"
    if expected is None:
        expected = "legacy" if "legacy" in os.path.realpath("/usr/sbin/iptables") else "nft"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for command in setup:
            subprocess.run(["ip", "netns", "exec", name, *command.split()], check=True)
        driver = Driver("iptables", None, ["ip", "netns", "exec", name])
        driver.ask("apply", world([service("a", 1, 4), endpoints("a", 4, "b1")]))
        driver.close()
        found = [v for v in ("nft", "legacy") if "KUBE-SERVICES" in subprocess.run(
            ["ip", "netns", "exec", name, f"iptables-{v}-save"], capture_output=True, text=True, check=True).stdout]
        assert found == [expected]
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
