"""A small client of the API for tests that need many requests or wrong ones: http.client over TLS."""
import base64
import http.client
import json
import pathlib
import ssl
import tempfile

import yaml


class Api:
    """One connection with the identity of a kubeconfig, or with none or another one."""

    def __init__(self, kubeconfig, cert=None, key=None, token=None, anonymous=False):
        config = yaml.safe_load(pathlib.Path(kubeconfig).read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.host, self.port = cluster["server"].removeprefix("https://").rsplit(":", 1)
        ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.context = ssl.create_default_context(cadata=ca)
        self.token = token
        if cert is None and not token and not anonymous:
            cert = base64.b64decode(user["client-certificate-data"]).decode()
            key = base64.b64decode(user["client-key-data"]).decode()
        if cert is not None:
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
                pem.write(cert + key)
                pem.flush()
                self.context.load_cert_chain(pem.name)
        self.connection = None

    def raw(self, method, path, body=None, headers=None):
        """(status, headers, text). Reconnects once if the last reply closed the connection."""
        sent = dict(headers or {})
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(self.host, int(self.port), context=self.context, timeout=20)
        try:
            self.connection.request(method, path, body=body, headers=sent)
            reply = self.connection.getresponse()
            text = reply.read().decode(errors="replace")
        except BaseException:
            self.close()
            raise
        if reply.will_close:
            self.close()
        return reply.status, dict(reply.getheaders()), text

    def call(self, method, path, body=None, content_type="application/json", headers=None):
        data = json.dumps(body) if isinstance(body, (dict, list)) else body
        status, _, text = self.raw(method, path, data, {"Content-Type": content_type, **(headers or {})})
        return status, json.loads(text) if text.startswith("{") else text

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def service(name, **spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"ports": [{"port": 80}], **spec}}


SERVICES = "/api/v1/namespaces/default/services"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
