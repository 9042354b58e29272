"""A small client of the API for tests that need many requests or wrong ones, and must see every byte: http.client over
TLS, no retries, no hidden headers."""
import base64
import http.client
import json
import pathlib
import ssl
import tempfile

import yaml


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def message(self):
        return self.json["message"]


class Connection:
    """One keep-alive connection."""

    def __init__(self, host, port, context, token=None, timeout=20):
        self.host, self.port, self.context, self.token, self.timeout = host, int(port), context, token, timeout
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
            self.connection = http.client.HTTPSConnection(self.host, self.port, context=self.context,
                                                          timeout=self.timeout)
        try:
            self.connection.request(method, path, body, headers)
            return Answer(self.connection.getresponse())
        except BaseException:
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


class Api(Connection):
    """With the identity of a kubeconfig, or with none or another one."""

    def __init__(self, kubeconfig, cert=None, key=None, token=None, anonymous=False):
        config = yaml.safe_load(pathlib.Path(kubeconfig).read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        host, port = cluster["server"].removeprefix("https://").rsplit(":", 1)
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        if cert is None and not token and not anonymous:
            cert = base64.b64decode(user["client-certificate-data"]).decode()
            key = base64.b64decode(user["client-key-data"]).decode()
        if cert is not None:
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
                pem.write(cert + key)
                pem.flush()
                context.load_cert_chain(pem.name)
        super().__init__(host, port, context, token)

    def raw(self, method, path, body=None, headers=None):
        """(status, headers, text)"""
        answer = self.request(method, path, body, headers)
        return answer.status, dict(answer.headers), answer.body.decode(errors="replace")

    def call(self, method, path, body=None, content_type="application/json", headers=None):
        """(status, JSON object or text)"""
        status, _, text = self.raw(method, path, body, {"Content-Type": content_type, **(headers or {})})
        return status, json.loads(text) if text.startswith("{") else text


def service(name, **spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"ports": [{"port": 80}], **spec}}


SERVICES = "/api/v1/namespaces/default/services"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
