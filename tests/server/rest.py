"""A small client of the API for tests that must see every byte: no retries, no hidden headers."""
import http.client
import json
import pathlib
import ssl
import subprocess


def context(server, cert="admin", ca=None):
    """TLS as one of the server's own users; CERT is a name in pki/, a pair of paths, or None for nobody."""
    pki = server.dir / "data/pki"
    c = ssl.create_default_context(cafile=str(ca or pki / "ca.crt"))
    if isinstance(cert, str):
        cert = (pki / f"{cert}.crt", pki / f"{cert}.key")
    if cert:
        c.load_cert_chain(*map(str, cert))
    return c


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def message(self):
        return self.json["message"]


class Api:
    """One keep-alive connection."""

    def __init__(self, server, cert="admin", token=None, timeout=20):
        self.server, self.timeout = server, timeout
        self.context, self.token = context(server, cert), token
        self.connection = None

    def request(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode()
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if not self.connection:
            self.connection = http.client.HTTPSConnection("127.0.0.1", self.server.port, context=self.context,
                                                          timeout=self.timeout)
        try:
            self.connection.request(method, path, body, headers)
            return Answer(self.connection.getresponse())
        except Exception:
            self.close()
            raise

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body, **headers):
        return self.request("POST", path, body, headers)

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def expect_status(answer, code, reason=None, *parts):
    """ANSWER is a Status object with one clear sentence."""
    assert answer.status == code, f"{answer.status}: {answer.body[:500]!r}"
    status = answer.json
    assert status["kind"] == "Status" and status["status"] == "Failure" and status["code"] == code, status
    if reason:
        assert status["reason"] == reason, status
    message = status["message"]
    assert message and "\n" not in message and len(message) < 1500, message
    for part in parts:
        assert part in message, f"{part!r} is not in {message!r}"
    return message


def openssl(*args, **more):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, **more)


def make_client_cert(folder, name, subject, ca=None, days=1):
    """A client certificate in FOLDER, signed by CA (crt, key) or, without one, by an authority of its own. Negative
    DAYS: one that has ended."""
    folder = pathlib.Path(folder)
    crt, key, csr = folder / f"{name}.crt", folder / f"{name}.key", folder / f"{name}.csr"
    ext = folder / f"{name}.ext"
    if not ca:
        ca = (folder / f"{name}-ca.crt", folder / f"{name}-ca.key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=fairlead-ca", "-keyout", ca[1], "-out", ca[0])
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", subject,
            "-keyout", key, "-out", csr)
    ext.write_text("keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n")
    openssl("x509", "-req", "-in", csr, "-CA", ca[0], "-CAkey", ca[1], "-CAcreateserial", "-CAserial",
            folder / f"{name}.srl", "-days", str(days), "-extfile", ext, "-out", crt)
    return crt, key
