"""Clients with any of the server's certificates, certificates of one's own, and what every refusal must look like."""
import pathlib
import ssl
import subprocess

from api_client import Connection


def context(server, cert="admin", ca=None):
    """TLS as one of the server's own users; CERT is a name in pki/, a pair of paths, or None for nobody."""
    pki = server.dir / "data/pki"
    c = ssl.create_default_context(cafile=str(ca or pki / "ca.crt"))
    if isinstance(cert, str):
        cert = (pki / f"{cert}.crt", pki / f"{cert}.key")
    if cert:
        c.load_cert_chain(*map(str, cert))
    return c


class Api(Connection):
    """With a certificate out of the server's own pki/, or a token."""

    def __init__(self, server, cert="admin", token=None, timeout=20):
        super().__init__("127.0.0.1", server.port, context(server, cert), token, timeout)


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
