"""The demo is a promise of the README: it runs, says what it says, and leaves nothing behind."""
import os
import re
import subprocess

import program
import pytest


def namespaces():
    return subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("client", ["oldest", "newest"])
def test_demo(client):
    assert os.geteuid() == 0, "the demo makes network namespaces: it needs root"
    kubectls = list(program.find_kubectls().values())
    env = dict(os.environ, KUBECTL=str(kubectls[0 if client == "oldest" else -1]), FAIRLEAD=str(program.FAIRLEAD))
    done = subprocess.run([program.ROOT / "demo/run"], capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    rounds = re.findall(r"(\d+) requests answered by (pod-\d)", done.stdout)
    assert sum(int(n) for n, _ in rounds[:3]) == 60 and {p for _, p in rounds[:3]} == {"pod-1", "pod-2", "pod-3"}
    assert sum(int(n) for n, _ in rounds[3:]) == 60 and {p for _, p in rounds[3:]} == {"pod-1", "pod-3", "pod-4"}
    assert "What to try next" in done.stdout
    assert "fl-demo-" not in namespaces()
    data = re.search(r"--kubeconfig (\S+)/admin.kubeconfig", done.stdout).group(1)
    assert data not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
