"""What people do with kubectl, with every client that was found."""
import json
import subprocess

import pytest

MYAPP = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: myapp-deploy}
spec:
  replicas: 3
  selector: {matchLabels: {app: myapp, release: stabel}}
  template:
    metadata: {labels: {app: myapp, release: stabel, env: test}}
    spec:
      containers:
      - name: myapp
        image: wangyanglinux/myapp:v2
        imagePullPolicy: IfNotPresent
        ports: [{name: http, containerPort: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: myapp}
spec:
  type: ClusterIP
  selector: {app: myapp, release: stabel}
  ports: [{name: http, port: 80, targetPort: 80}]
"""

WEB = """
apiVersion: v1
kind: Service
metadata: {name: web, labels: {tier: front}}
spec:
  selector: {app: web}
  ports: [{port: 80}]
"""

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: '1', b: '2'}\n"


def test_the_manifest_pair(kubectl):
    out = kubectl.apply(MYAPP)
    assert out == "deployment.apps/myapp-deploy created\nservice/myapp created\n"
    assert kubectl.apply(MYAPP) == "deployment.apps/myapp-deploy unchanged\nservice/myapp unchanged\n"
    for _ in range(50):
        pods = kubectl("get", "pods", "-l", "app=myapp", "-o", "name").split()
        if len(pods) == 3:
            break
    assert len(pods) == 3
    assert kubectl.get("rs", ".items[0].spec.replicas") == "3"
    address = kubectl.get("service myapp", ".spec.clusterIP")
    assert address.startswith("10.96.")
    row = kubectl("get", "service", "myapp").splitlines()[1].split()
    assert row[:5] == ["myapp", "ClusterIP", address, "<none>", "80/TCP"]


def test_apply_changes_and_keeps_the_address(kubectl):
    kubectl.apply(WEB)
    address = kubectl.get("service web", ".spec.clusterIP")
    assert kubectl.apply(WEB.replace("port: 80", "port: 81")) == "service/web configured\n"
    assert kubectl.get("service web", ".spec.ports[*].port") == "81"
    assert kubectl.apply(WEB.replace("spec:", "spec:\n  type: NodePort")) == "service/web configured\n"
    assert 30000 <= int(kubectl.get("service web", ".spec.ports[0].nodePort")) <= 32767
    assert kubectl.get("service web", ".spec.clusterIP") == address


def test_patch_in_every_form(kubectl):
    kubectl.apply(WEB)
    kubectl("patch", "service", "web", "-p", '{"spec": {"ports": [{"port": 90, "name": "x"}, {"port": 80, "name": "y"}]}}')
    assert kubectl.get("service web", ".spec.ports[*].port") == "80 90"
    kubectl("patch", "service", "web", "--type=merge", "-p", '{"spec": {"ports": [{"port": 91}]}}')
    assert kubectl.get("service web", ".spec.ports[*].port") == "91"
    kubectl("patch", "service", "web", "--type=json", "-p", '[{"op": "replace", "path": "/spec/ports/0/port", "value": 92}]')
    assert kubectl.get("service web", ".spec.ports[*].port") == "92"
    text = kubectl.fails("patch", "service", "web", "--type=json", "-p", '[{"op": "remove", "path": "/spec/none"}]')
    assert "The request is invalid" in text and ("/spec/none" in text or kubectl.minor == 20)


def test_edit_replace_diff(kubectl, tmp_path):
    kubectl.apply(WEB)
    script = tmp_path / "editor"
    script.write_text("#!/bin/sh\nsed -i 's/app: web/app: edited/' \"$1\"\n")
    script.chmod(0o755)
    assert "service/web edited" in kubectl("edit", "service", "web", env={"EDITOR": str(script)})
    assert kubectl.get("service web", ".spec.selector.app") == "edited"
    result = kubectl.try_run("diff", "-f", "-", stdin=WEB)
    assert result.code == 1 and "-    app: edited" in result.out and "+    app: web" in result.out, result.text
    body = json.loads(kubectl("get", "service", "web", "-o", "json"))
    body["spec"]["ports"][0]["port"] = 89
    assert "service/web replaced" in kubectl("replace", "-f", "-", stdin=json.dumps(body))
    body["metadata"]["resourceVersion"] = "1"
    assert "the object has been modified; please apply your changes to the latest version and try again" in \
        kubectl.fails("replace", "-f", "-", stdin=json.dumps(body))


def test_label_annotate_scale(kubectl):
    kubectl.apply(MYAPP)
    assert kubectl("label", "service", "myapp", "a=b") == "service/myapp labeled\n"
    assert "already has a value" in kubectl.fails("label", "service", "myapp", "a=c")
    kubectl("label", "service", "myapp", "a=c", "--overwrite")
    kubectl("annotate", "service", "myapp", "note=hello")
    assert kubectl.get("service myapp", ".metadata.labels.a") == "c"
    assert kubectl("get", "services", "-l", "a=c", "-o", "name") == "service/myapp\n"
    assert kubectl("get", "services", "-l", "a!=c", "-o", "name") == ""
    kubectl("label", "service", "myapp", "a-")
    kubectl("scale", "deployment", "myapp-deploy", "--replicas=5")
    assert kubectl.get("deployment myapp-deploy", ".spec.replicas") == "5"
    text = kubectl.fails("scale", "deployment", "myapp-deploy", "--current-replicas=7", "--replicas=1")
    assert "Expected replicas to be 7, was 5" in text


def test_rollout(kubectl):
    kubectl.apply(MYAPP)
    kubectl("wait", "deployment/myapp-deploy", "--for=condition=Progressing", "--timeout=10s")
    kubectl("set", "image", "deployment/myapp-deploy", "myapp=wangyanglinux/myapp:v3")
    for _ in range(50):
        if kubectl("get", "rs", "-o", "name").count("\n") == 2:
            break
    history = kubectl("rollout", "history", "deployment/myapp-deploy")
    assert "REVISION" in history and "2" in history
    kubectl("rollout", "undo", "deployment/myapp-deploy")
    assert kubectl.get("deployment myapp-deploy", ".spec.template.spec.containers[0].image") == "wangyanglinux/myapp:v2"
    kubectl("rollout", "pause", "deployment/myapp-deploy")
    kubectl("rollout", "resume", "deployment/myapp-deploy")
    result = kubectl.try_run("rollout", "status", "deployment/myapp-deploy", "--timeout=1s")
    assert 'Waiting for deployment "myapp-deploy" rollout to finish' in result.text


def test_create_and_expose(kubectl):
    kubectl("create", "service", "clusterip", "a", "--tcp=80:8080")
    kubectl("create", "service", "nodeport", "b", "--tcp=80")
    kubectl("create", "service", "loadbalancer", "c", "--tcp=80")
    kubectl("create", "service", "externalname", "d", "--external-name=example.com")
    kubectl("create", "deployment", "e", "--image=nginx")
    kubectl("create", "configmap", "f", "--from-literal=x=y")
    kubectl("create", "secret", "generic", "g", "--from-literal=x=y")
    kubectl("create", "serviceaccount", "h")
    kubectl("create", "namespace", f"{kubectl.namespace}-more")
    kubectl("expose", "deployment", "e", "--port=80", "--target-port=8000")
    types = kubectl("get", "services", "-o", "custom-columns=N:.metadata.name,T:.spec.type", "--no-headers")
    assert [line.split() for line in types.splitlines()] == [
        ["a", "ClusterIP"], ["b", "NodePort"], ["c", "LoadBalancer"], ["d", "ExternalName"], ["e", "ClusterIP"]]
    assert kubectl.get("service e", ".spec.selector.app") == "e"
    rows = {line.split()[0]: line.split() for line in kubectl("get", "services").splitlines()[1:]}
    assert rows["c"][3] == "<pending>" and rows["d"][2:4] == ["<none>", "example.com"]


def test_get_in_every_form(kubectl):
    kubectl.apply(WEB)
    for name in ("web2", "web3"):
        kubectl.apply(WEB.replace("name: web,", f"name: {name},"))
    assert kubectl("get", "svc", "-o", "name", "--chunk-size=1") == "service/web\nservice/web2\nservice/web3\n"
    assert "SELECTOR" in kubectl("get", "svc", "-o", "wide")
    assert kubectl("get", "services", "--field-selector", "metadata.name=web2", "-o", "name") == "service/web2\n"
    assert kubectl("get", "services", "--field-selector", "spec.clusterIP=None", "-o", "name") == ""
    assert kubectl("get", "svc", "web", "-o", "yaml").startswith("apiVersion: v1\nkind: Service\n")
    assert kubectl("get", "svc", "web", "-o", "jsonpath={.kind}") == "Service"
    everywhere = kubectl("get", "services", "-A")
    assert "kubernetes" in everywhere and "web3" in everywhere
    assert kubectl("get", "all").count("service/") == 3
    assert 'services "none" not found' in kubectl.fails("get", "service", "none")


def test_describe(kubectl):
    kubectl.apply(MYAPP)
    text = kubectl("describe", "service", "myapp")
    rows = {line.split(":")[0]: line.split(":", 1)[1].strip() for line in text.splitlines() if ":" in line}
    assert rows["Selector"] == "app=myapp,release=stabel" and rows["TargetPort"] == "80/TCP" and rows["Type"] == "ClusterIP"
    text = kubectl("describe", "deployment", "myapp-deploy")
    assert "StrategyType:           RollingUpdate" in text and "wangyanglinux/myapp:v2" in text


def test_explain(kubectl):
    text = kubectl("explain", "service.spec.ports")
    assert "nodePort" in text and "FIELDS" in text.upper()
    assert "targetPort" in kubectl("explain", "service", "--recursive")
    assert "replicas" in kubectl("explain", "deployment.spec")
    assert "containers" in kubectl("explain", "pod.spec", "--recursive")


def test_delete(kubectl):
    kubectl.apply(WEB)
    assert kubectl("delete", "service", "web").startswith('service "web" deleted')
    assert "not found" in kubectl.fails("get", "service", "web")
    for name in ("a", "b"):
        kubectl.apply(WEB.replace("name: web,", f"name: {name},"))
    kubectl("delete", "services", "--all")
    assert kubectl("get", "services", "-o", "name") == ""


def test_wait_and_watch(kubectl):
    kubectl.apply(WEB)
    watch = subprocess.Popen([str(kubectl.path), "--kubeconfig", str(kubectl.server.kubeconfig), "-n", kubectl.namespace,
                              "get", "services", "-w", "-o", "name"], stdout=subprocess.PIPE, text=True,
                             env={"HOME": str(kubectl.home), "PATH": "/usr/bin:/bin"})
    try:
        assert watch.stdout.readline() == "service/web\n"
        kubectl("label", "service", "web", "x=y")
        assert watch.stdout.readline() == "service/web\n"
        kubectl("delete", "service", "web")
        assert watch.stdout.readline() == "service/web\n"
    finally:
        watch.kill()
        watch.wait()
    result = kubectl.try_run("wait", "service/web", "--for=delete", "--timeout=5s")
    assert result.code == 0 or "no matching resources found" in result.text  # the old client's word for it


def test_server_side_apply(kubectl):
    flag = "--server-side"
    kubectl.apply(WEB, flag, "--field-manager=one")
    text = kubectl.fails("apply", flag, "--field-manager=two", "-f", "-", stdin=WEB.replace("{app: web}", "{app: other}"))
    assert 'conflict with "one"' in text and ".spec.selector" in text
    kubectl.apply(WEB.replace("{app: web}", "{app: other}"), flag, "--field-manager=two", "--force-conflicts")
    assert kubectl.get("service web", ".spec.selector.app") == "other"


def test_dry_run_writes_nothing(kubectl):
    assert "(server dry run)" in kubectl.apply(WEB, "--dry-run=server")
    assert "not found" in kubectl.fails("get", "service", "web")


def test_unknown_fields_are_refused(kubectl):
    text = kubectl.fails("apply", "-f", "-", stdin=WEB.replace("selector:", "selektor:"))
    assert "selektor" in text and ("unknown field" in text)


@pytest.mark.parametrize("change,words", [
    (("port: 80", "port: 0"), "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"),
    (("port: 80", "port: 80, protocol: ICMP"), 'spec.ports[0].protocol: Unsupported value: "ICMP"'),
    (("spec:", "spec:\n  clusterIP: 10.0.0.1"), "provided IP is not in the valid range. The range of valid IPs is 10.96.0.0/16"),
    (("spec:", "spec:\n  type: NodePorts"), 'spec.type: Unsupported value: "NodePorts"'),
    (("spec:", "spec:\n  sessionAffinity: Maybe"), 'spec.sessionAffinity: Unsupported value: "Maybe"'),
    (("name: web,", "name: Web_1,"), 'metadata.name: Invalid value: "Web_1"'),
    (("ports: [{port: 80}]", "ports: []"), "spec.ports: Required value"),
])
def test_invalid_services_say_why(some_kubectl, change, words):
    assert words in some_kubectl.fails("apply", "--validate=false", "-f", "-", stdin=WEB.replace(*change))


def test_node_port_taken(some_kubectl):
    port = 31000 + int(some_kubectl.namespace[1:])
    manifest = WEB.replace("spec:", "spec:\n  type: NodePort").replace("port: 80", f"port: 80, nodePort: {port}")
    some_kubectl.apply(manifest)
    text = some_kubectl.fails("apply", "-f", "-", stdin=manifest.replace("name: web,", "name: other,"))
    assert f"{port}: provided port is already allocated" in text


def test_missing_things(some_kubectl):
    assert 'namespaces "nowhere" not found' in some_kubectl.fails("create", "-n", "nowhere", "-f", "-", stdin=CONFIG)
    gadget = CONFIG.replace("ConfigMap", "Gadget")
    assert "no matches for kind" in some_kubectl.fails("create", "--validate=false", "-f", "-", stdin=gadget)
    assert "unable to parse requirement" in some_kubectl.fails("get", "services", "-l", "a=(b")
    assert some_kubectl.fails("logs", "no-pod")
    assert some_kubectl.fails("exec", "no-pod", "--", "true")


def test_finalizers_and_owners(some_kubectl):
    k = some_kubectl
    k.apply(CONFIG.replace("{name: c}", "{name: c, finalizers: [example.com/hold]}"))
    k("delete", "configmap", "c", "--wait=false")
    assert k.get("configmap c", ".metadata.deletionTimestamp")
    k("patch", "configmap", "c", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    assert "not found" in k.fails("get", "configmap", "c")
    k.apply(MYAPP)
    for _ in range(50):
        if k("get", "rs", "-o", "name"):
            break
    k("delete", "deployment", "myapp-deploy", "--cascade=orphan" if k.minor > 20 else "--cascade=false")
    assert k("get", "rs", "-o", "name").startswith("replicaset.apps/myapp-deploy-")


def test_about_the_server(kubectl):
    assert "v1.36.2" in kubectl("version") if kubectl.minor < 28 else "v1.36.2" in kubectl("version", "-o", "json")
    resources = kubectl("api-resources", "-o", "name")
    for name in ("services", "endpointslices.discovery.k8s.io", "deployments.apps", "leases.coordination.k8s.io",
                 "ipaddresses.networking.k8s.io", "servicecidrs.networking.k8s.io", "events.events.k8s.io"):
        assert name in resources.split()
    assert "apps/v1" in kubectl("api-versions").split()
    assert "is running at" in kubectl("cluster-info")
