"""Bad input: each gets one clear sentence and the right status code, and the server goes on."""
import socket
import ssl
import threading
import time

import pytest
import rest

SERVICES = "/api/v1/namespaces/default/services"
MAPS = "/api/v1/namespaces/default/configmaps"


def service(name, **spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"ports": [{"port": 80}], **spec}}


@pytest.mark.parametrize("body, part", [
    ("", "body"),
    ("{", ""),
    ('{"kind": "Service"', ""),
    ("[]", ""),
    ("null", ""),
    ("42", ""),
    ('"text"', ""),
    ('{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, }', ""),
    ('{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "\xff"}}'.encode("latin-1"), ""),
    (b"\x00\x01\x02", ""),
], ids=range(10))
def test_malformed_json(api, body, part):
    answer = api.post(SERVICES, body, **{"Content-Type": "application/json"})
    rest.expect_status(answer, 400, "BadRequest", part)


@pytest.mark.parametrize("body", ["a: [", "a: b: c", "\t- x", "{{", "kind: &a [*a]", "- 1\n- 2\n"])
def test_malformed_yaml(api, body):
    rest.expect_status(api.post(SERVICES, body, **{"Content-Type": "application/yaml"}), 400, "BadRequest")


def test_yaml_bomb(api):
    levels = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    for before, name in zip("abcdefgh", "bcdefghi"):
        levels.append(f"{name}: &{name} [" + ",".join([f"*{before}"] * 10) + "]")
    start = time.monotonic()
    rest.expect_status(api.post(SERVICES, "\n".join(levels), **{"Content-Type": "application/yaml"}), 413,
                       "RequestEntityTooLarge", "aliases expand to too much")
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("content_type, code", [
    ("text/plain", 415), ("application/xml", 415), ("application/merge-patch+json", 415), ("nonsense", 415),
    ("application/vnd.kubernetes.protobuf", 400),
])
def test_wrong_content_type(api, content_type, code):
    answer = api.post(SERVICES, '{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"}}',
                      **{"Content-Type": content_type})
    rest.expect_status(answer, code)


def test_wrong_patch_type(api):
    assert api.post(MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "patched"}}).status == 201
    for content_type in ("application/json", "text/plain", "application/nonsense"):
        rest.expect_status(api.request("PATCH", MAPS + "/patched", "{}", {"Content-Type": content_type}), 415,
                           "UnsupportedMediaType", "application/merge-patch+json")
    rest.expect_status(api.request("PATCH", MAPS + "/patched", "{", {"Content-Type": "application/merge-patch+json"}),
                       400, "BadRequest")
    rest.expect_status(api.request("PATCH", MAPS + "/patched", "{}", {"Content-Type": "application/json-patch+json"}),
                       400, "BadRequest")
    rest.expect_status(api.request("PATCH", MAPS + "/patched", [{"op": "replace", "path": "/no/such", "value": 1}],
                                   {"Content-Type": "application/json-patch+json"}), 422, "Invalid")
    many = [{"op": "add", "path": "/data", "value": {}}] * 10001
    rest.expect_status(api.request("PATCH", MAPS + "/patched", many, {"Content-Type": "application/json-patch+json"}),
                       413, "RequestEntityTooLarge")


def test_unknown_fields(api):
    body = service("unknown", nonsense=1)
    answer = api.post(SERVICES + "?fieldValidation=Strict", body)
    rest.expect_status(answer, 400, "BadRequest", 'unknown field "spec.nonsense"')
    answer = api.post(SERVICES + "?fieldValidation=Warn&dryRun=All", body)
    assert answer.status == 201 and 'unknown field \\"spec.nonsense\\"' in answer.headers["Warning"]
    assert api.post(SERVICES + "?fieldValidation=Ignore&dryRun=All", body).status == 201
    rest.expect_status(api.post(SERVICES + "?fieldValidation=Loud", body), 400, "BadRequest", "fieldValidation")


@pytest.mark.parametrize("change", [
    {"ports": "80"}, {"ports": {"port": 80}}, {"ports": [80]}, {"ports": [{"port": "http"}]}, {"selector": ["a"]},
    {"selector": {"a": 1}}, {"type": 3}, {"clusterIPs": "10.0.0.1"}, {"sessionAffinityConfig": []},
    {"ports": [{"port": 80.5}]}, {"ports": [{"port": 99999999999}]}, {"publishNotReadyAddresses": "yes"},
])
def test_wrong_types(api, change):
    rest.expect_status(api.post(SERVICES, service("wrong", **change)), 400, "BadRequest")


@pytest.mark.parametrize("change, part", [
    ({"ports": [{"port": 0}]}, "spec.ports[0].port"), ({"ports": [{"port": 65536}]}, "between 1 and 65535"),
    ({"ports": []}, "spec.ports"), ({"type": "Nonsense"}, "spec.type"), ({"clusterIP": "10.1.2.3.4"}, "spec.clusterIP"),
    ({"clusterIP": "192.0.2.1"}, "spec.clusterIP"), ({"externalIPs": ["nonsense"]}, "spec.externalIPs[0]"),
    ({"type": "NodePort", "ports": [{"port": 80, "nodePort": 22}]}, "nodePort"),
])
def test_wrong_values(api, change, part):
    rest.expect_status(api.post(SERVICES, service("wrong", **change)), 422, "Invalid", part)


@pytest.mark.parametrize("name", ["", "UPPER", "a b", "a/b", "-a", "a" * 64, "a.", "..", "a\0b", "é"])
def test_bad_names(api, name):
    assert api.post(SERVICES, service(name)).status in (400, 422)


def test_bodies_have_a_limit(api):
    big = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big"}, "data": {"x": "y" * (4 << 20)}}
    try:
        rest.expect_status(api.post(MAPS, big), 413, "RequestEntityTooLarge")
    except (ConnectionError, ssl.SSLError):
        pass  # the server does not wait for a body that it refuses
    api.close()
    big["data"]["x"] = "y" * (2 << 20)
    assert api.post(MAPS, big).status in (413, 422)
    assert api.get("/readyz").status == 200


@pytest.mark.parametrize("body", ['{"a":' * 20000 + "1" + "}" * 20000, "[" * 100000], ids=["objects", "arrays"])
def test_deep_bodies(api, body):
    for content_type, code in (("application/json", 400), ("application/yaml", 413)):
        rest.expect_status(api.post(SERVICES, body, **{"Content-Type": content_type}), code, None, "nested")


@pytest.mark.parametrize("query", [
    "labelSelector=a%20b%20c", "labelSelector=a%3D%3D%3Db", "labelSelector=%21", "labelSelector=a%20in%20(",
    "fieldSelector=nonsense%3Da", "fieldSelector=a", "fieldSelector=metadata.name%3D%3D%3Da", "limit=x",
    "continue=nonsense", "resourceVersion=x", "resourceVersionMatch=Exact", "watch=1&resourceVersion=-5",
    "timeoutSeconds=x",
])
def test_bad_queries(api, query):
    answer = api.get(f"{SERVICES}?{query}")
    assert answer.status in (400, 422), f"{answer.status}: {answer.body[:300]!r}"
    rest.expect_status(answer, answer.status)


def test_what_is_not_there(api):
    rest.expect_status(api.get("/api/v1/nonsense"), 404, "NotFound")
    rest.expect_status(api.get("/apis/nonsense/v1"), 404)
    rest.expect_status(api.get(SERVICES + "/none"), 404, "NotFound", 'services "none" not found')
    rest.expect_status(api.request("PUT", SERVICES, service("a")), 405, "MethodNotAllowed")
    rest.expect_status(api.request("BREW", SERVICES), 405)
    rest.expect_status(api.post("/api/v1/namespaces/none/services", service("a")), 404, "NotFound", '"none" not found')


# Who is asking

OPEN = ["/healthz", "/livez", "/readyz", "/version"]
CLOSED = ["/", "/api", "/apis", "/api/v1", "/metrics", "/openapi/v2", "/openapi/v3", SERVICES, "/api/v1/secrets",
          "/nonsense", "/debug/pprof", "/logs"]


def test_nobody_sees_health_and_version_only(api_server):
    api = rest.Api(api_server, cert=None)
    for path in OPEN:
        assert api.get(path).status == 200, path
    for path in CLOSED:
        answer = api.get(path)
        assert answer.status == 401, f"{path}: {answer.status}"
        rest.expect_status(answer, 401, "Unauthorized", "Unauthorized")
    rest.expect_status(api.get("/healthz/../api/v1/secrets"), 404, "NotFound")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        rest.expect_status(api.request(method, SERVICES, service("a")), 401, "Unauthorized")


@pytest.mark.parametrize("token", ["wrong", "admin-token-1f0", "admin-token-1f0cX", "x" * 5000], ids=range(4))
def test_bad_tokens(api_server, token):
    rest.expect_status(rest.Api(api_server, cert=None, token=token).get(SERVICES), 401, "Unauthorized")


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Basic YWxpY2U6YWxpY2U=", "admin-token-1f0c", "bearer x y"])
def test_bad_authorization_headers(api_server, value):
    api = rest.Api(api_server, cert=None)
    rest.expect_status(api.get(SERVICES, headers={"Authorization": value}), 401, "Unauthorized")


def test_token_users(api_server):
    alice = rest.Api(api_server, cert=None, token="admin-token-1f0c")
    proxy = rest.Api(api_server, cert=None, token="proxy-token-77aa")
    bob = rest.Api(api_server, cert=None, token="nobody-token-93bd")
    assert alice.post(SERVICES, service("by-alice")).status == 201
    for path in ("/api/v1/services", "/apis/discovery.k8s.io/v1/endpointslices", "/api/v1/nodes"):
        assert proxy.get(path).status == 200
    rest.expect_status(proxy.get("/api/v1/secrets"), 403, "Forbidden",
                       'secrets is forbidden: User "system:kube-proxy" cannot list resource "secrets" in API group ""')
    rest.expect_status(proxy.post(SERVICES, service("by-proxy")), 403, "Forbidden", 'cannot create resource "services"')
    assert bob.get("/api").status == 200
    message = rest.expect_status(bob.get(SERVICES + "/by-alice"), 403, "Forbidden")
    assert message.startswith('services "by-alice" is forbidden: User "bob" cannot get resource "services" in API '
                              'group "" in the namespace "default"'), message
    rest.expect_status(bob.get("/metrics"), 403, "Forbidden", 'User "bob" cannot get path "/metrics"')
    # What a user may not see is not told apart from what is not there.
    rest.expect_status(bob.get(SERVICES + "/none"), 403, "Forbidden")


def test_certificate_of_a_foreign_authority(api_server, tmp_path):
    pair = rest.make_client_cert(tmp_path, "foreign", "/O=system:masters/CN=fairlead-admin")
    expect_no_entry(rest.Api(api_server, cert=pair))


def test_expired_certificate(api_server, tmp_path):
    pki = api_server.dir / "data/pki"
    pair = rest.make_client_cert(tmp_path, "old", "/O=system:masters/CN=old", (pki / "ca.crt", pki / "ca.key"), days=-1)
    expect_no_entry(rest.Api(api_server, cert=pair))
    good = rest.make_client_cert(tmp_path, "new", "/O=system:masters/CN=new", (pki / "ca.crt", pki / "ca.key"))
    assert rest.Api(api_server, cert=good).get(SERVICES).status == 200


def expect_no_entry(api):
    """Refused in the handshake or with 401; never served."""
    try:
        answer = api.get(SERVICES)
    except (ssl.SSLError, ConnectionError):
        return
    rest.expect_status(answer, 401, "Unauthorized")


def test_server_certificate_is_no_client(api_server):
    expect_no_entry(rest.Api(api_server, cert="server"))


# Half and slow requests

def raw(server, tls=True):
    s = socket.create_connection(("127.0.0.1", server.port), 20)
    return rest.context(server).wrap_socket(s, server_hostname="127.0.0.1") if tls else s


def read_all(s):
    s.settimeout(20)
    data = b""
    try:
        while piece := s.recv(65536):
            data += piece
    except (ConnectionError, ssl.SSLError):
        pass
    return data


@pytest.mark.parametrize("text, code", [
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"nonsense\r\n\r\n", 400),
    (b"GET /readyz HTTP/9.9\r\nHost: x\r\n\r\n", (400, 505)),
    (b"POST " + SERVICES.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST " + SERVICES.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
     400),
    (b"POST " + SERVICES.encode() + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"POST " + SERVICES.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", 413),
    (b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (400, 414, 431)),
    (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Y: z\r\n" * 20000 + b"\r\n", (400, 431)),
], ids=range(9))
def test_broken_heads(api_server, text, code):
    s = raw(api_server)
    try:
        s.sendall(text)
    except (ConnectionError, ssl.SSLError):
        pass
    answer = read_all(s)
    codes = code if isinstance(code, tuple) else (code,)
    assert answer[:9] == b"HTTP/1.1 " and int(answer[9:12]) in codes, answer[:300]
    assert answer.count(b"HTTP/1.1 ") == 1


def test_plain_http_on_the_tls_port(api_server):
    s = raw(api_server, tls=False)
    s.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
    read_all(s)  # ends; what it says is up to TLS


def test_half_requests_hold_nobody_up(api_server, api):
    """A hundred connections that never finish: others are served at once, and the half ones end by themselves."""
    halves = []
    for i in range(100):
        s = raw(api_server, tls=i % 2 == 0)
        if i % 2 == 0:
            s.sendall(b"POST " + SERVICES.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{" if i % 4
                      else b"GET /api/v1/serv")
        halves.append(s)
    start = time.monotonic()
    for _ in range(20):
        assert api.get(SERVICES).status == 200
    assert time.monotonic() - start < 2
    start = time.monotonic()
    slow = [s for i, s in enumerate(halves) if i % 4 != 2]  # a body has a minute, a head ten seconds
    for s in slow:
        read_all(s)
    assert time.monotonic() - start < 18
    for s in halves:
        s.close()


def test_clients_that_vanish(api_server, api):
    def vanish():
        for _ in range(20):
            s = raw(api_server)
            s.sendall(b"GET /api/v1/services?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            s.close()
    threads = [threading.Thread(target=vanish) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert api.post(SERVICES, service("after-vanishing")).status == 201
    deadline = time.monotonic() + 10
    while True:  # the watches are gone with their clients
        text = api.get("/metrics").body.decode()
        left = [line for line in text.splitlines() if line.startswith("apiserver_longrunning_requests")]
        if all(float(line.rsplit(" ", 1)[1]) < 30 for line in left):
            break
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
