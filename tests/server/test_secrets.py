"""Secrets stay where they belong: with the loudest logging, none is in logs, events or metrics (CVE-2019-11250)."""
import base64
import os

import program
import rest

TOKEN, DATA, BAD = "canary-token-5d21ab", "canary-data-80e7fc", "canary-wrong-token-e1"


def test_no_secret_in_logs_events_or_metrics(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text(f'{TOKEN},alice,1,"system:masters"\n')
    os.chmod(tokens, 0o600)
    encoded = base64.b64encode(DATA.encode()).decode()
    secrets = "/api/v1/namespaces/default/secrets"
    with program.Server("--token-auth-file", str(tokens), "-v", "10") as server:
        api = rest.Api(server, cert=None, token=TOKEN)
        assert api.post(secrets, {"metadata": {"name": "s"}, "data": {"k": encoded}}).status == 201
        assert api.post(secrets, {"metadata": {"name": "t"}, "stringData": {"k": DATA}}).status == 201
        assert api.get(secrets).status == 200
        assert api.request("PATCH", secrets + "/s", {"stringData": {"l": DATA}},
                           {"Content-Type": "application/merge-patch+json"}).status == 200
        # What fails says why, but not what was sent.
        refused = [
            api.post(secrets, {"metadata": {"name": "A B"}, "stringData": {"k": DATA}}),
            api.post(secrets, {"metadata": {"name": "u"}, "data": {"k": DATA}}),
            api.post(secrets, '{"stringData": {"k": "' + DATA + '"', **{"Content-Type": "application/json"}),
            rest.Api(server, cert=None, token=BAD).get(secrets),
        ]
        assert all(400 <= r.status < 500 for r in refused)
        assert api.request("DELETE", secrets + "/t").status == 200
        keys = [(server.dir / "data/pki" / f"{n}.key").read_text().splitlines()[1] for n in ("ca", "admin", "server", "agent")]
        events = api.get("/api/v1/events").body.decode() + api.get("/apis/events.k8s.io/v1/events").body.decode()
        metrics = api.get("/metrics").body.decode()
        server.stop()
        log = server.log() + server.out_path.read_text()
        assert "I" in log and len(log) > 100
        for where, text in (("log", log), ("events", events), ("metrics", metrics),
                            *((f"answer {i}", r.body.decode()) for i, r in enumerate(refused))):
            for canary in (TOKEN, BAD, DATA, encoded, *keys):
                assert canary not in text, f"{canary} is in the {where}"
        command = open(server.out_path).read()
        assert TOKEN not in command
        server.start()
