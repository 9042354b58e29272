import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import program  # noqa: E402
import rest  # noqa: E402

TOKENS = """\
admin-token-1f0c,alice,1,"system:masters"
proxy-token-77aa,system:kube-proxy,2
nobody-token-93bd,bob,3,"dev,test"
"""


@pytest.fixture(scope="module")
def api_server(tmp_path_factory):
    """A server of this module with a token file."""
    tokens = tmp_path_factory.mktemp("tokens") / "tokens.csv"
    tokens.write_text(TOKENS)
    os.chmod(tokens, 0o600)
    with program.Server("--token-auth-file", str(tokens)) as server:
        yield server


@pytest.fixture
def api(api_server):
    api = rest.Api(api_server)
    yield api
    api.close()
