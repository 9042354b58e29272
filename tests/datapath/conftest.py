import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import lab as lab_module  # noqa: E402

PROVIDERS = ["fake", "iptables-nft", "iptables-legacy"]


@pytest.fixture(scope="session")
def labs():
    """Laboratories by provider, built when first needed."""
    built = {}
    yield built
    for lab in built.values():
        lab.close()


@pytest.fixture(params=PROVIDERS)
def lab(request, labs):
    """A node running the provider. The world of the last test is replaced, not cleaned up: that is a test too."""
    if request.param not in labs:
        if request.param != "fake":
            assert os.geteuid() == 0, "the conformance suite needs root for network namespaces"
        labs[request.param] = lab_module.open_lab(request.param)
    return labs[request.param]


@pytest.fixture(params=[4, 6], ids=["v4", "v6"])
def family(request):
    return request.param


@pytest.fixture(params=["tcp", "udp"])
def protocol(request):
    return request.param
