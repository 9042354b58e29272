import itertools
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import program  # noqa: E402


def pytest_report_header(config):
    try:
        return "kubectl clients: " + ", ".join(program.find_kubectls())
    except AssertionError as error:
        return str(error)


@pytest.fixture(scope="session")
def server():
    """One server for all tests that only need an API."""
    with program.Server() as running:
        yield running


_numbers = itertools.count()


def _client(server, version):
    k = program.Kubectl(server, version, program.find_kubectls()[version])
    k.namespace = f"t{next(_numbers)}"
    k("create", "-f", "-", stdin=f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {k.namespace}}}\n")
    return k


@pytest.fixture(params=list(program.find_kubectls()) if program.DEBIAN_KUBECTL.exists() else ["1.20"])
def kubectl(request, server):
    """Each client that was found, in a namespace of its own."""
    return _client(server, request.param)


@pytest.fixture(params=["oldest", "newest"])
def some_kubectl(request, server):
    """The oldest and the newest client: for the long tail, where each call costs a tenth of a second."""
    versions = list(program.find_kubectls())
    return _client(server, versions[0 if request.param == "oldest" else -1])
