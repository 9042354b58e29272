"""What people do less often, and what they do wrong, with the oldest and the newest client."""
import json
import re
import time

from test_verbs import CONFIG, MYAPP, WEB

SSA_SINCE = 25  # from this minor on, the server and not the client checks the fields of a manifest
DUPLICATE = ('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}, '
             '"data": {"a": "1"}, "data": {"a": "2"}}')


def until(look, seconds=10):
    """The first true answer of LOOK."""
    deadline = time.monotonic() + seconds
    while True:
        answer = look()
        if answer:
            return answer
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def a_pod(k):
    k.apply(MYAPP)
    return until(lambda: k("get", "pods", "-o", "name").split())[0]


def test_what_is_not_served_is_named(some_kubectl):
    k = some_kubectl
    pod = a_pod(k)
    missing = "Error from server (NotFound): the server could not find the requested resource: "
    assert k.fails("logs", pod) == missing + "pods/log is not served\n"
    assert k.fails("exec", pod, "--", "true") == missing + "pods/exec is not served\n"
    assert k.fails("auth", "can-i", "get", "pods") == \
        missing + "selfsubjectaccessreviews.authorization.k8s.io is not served\n"
    assert k.fails("port-forward", pod, "18080:80") == \
        "error: unable to forward port because pod is not running. Current status=Pending\n"
    assert "jobs.batch is not served" in k.fails("create", "job", "j", "--image=x")
    assert k.fails("get", "gadgets") == 'error: the server doesn\'t have a resource type "gadgets"\n'


def test_a_namespace_goes_with_all_in_it(some_kubectl):
    """The server's log must stay quiet: that is checked when it stops."""
    k = some_kubectl
    k.apply(MYAPP)
    k("set", "image", "deployment/myapp-deploy", "myapp=other:1")
    k("scale", "deployment/myapp-deploy", "--replicas=9")
    assert f'namespace "{k.namespace}" deleted' in k("delete", "namespace", k.namespace)
    assert k("get", "pods,services,deployments,replicasets,endpointslices,events", "-o", "name") == ""
    assert k.fails("get", "namespace", k.namespace) == \
        f'Error from server (NotFound): namespaces "{k.namespace}" not found\n'
    assert k.fails("create", "-f", "-", stdin=CONFIG) == \
        f'Error from server (NotFound): error when creating "STDIN": namespaces "{k.namespace}" not found\n'


def test_cascades(some_kubectl):
    k = some_kubectl
    k.apply(MYAPP)
    until(lambda: k("get", "pods", "-o", "name").count("\n") == 3)
    k("delete", "deployment", "myapp-deploy", "--cascade=orphan" if k.minor > 20 else "--cascade=false")
    time.sleep(0.5)  # the garbage collector had its time, and took nothing
    assert k("get", "pods", "-o", "name").count("\n") == 3
    assert k.get("rs", ".items[0].metadata.ownerReferences") == ""
    k.apply(MYAPP)  # adopts what was left
    until(lambda: k.get("rs", ".items[*].metadata.ownerReferences[*].name") == "myapp-deploy")
    assert k("get", "pods", "-o", "name").count("\n") == 3
    k("delete", "deployment", "myapp-deploy", *(["--cascade=foreground"] if k.minor > 20 else []))
    until(lambda: k("get", "deployments,rs,pods", "-o", "name") == "")


def test_events(some_kubectl):
    k = some_kubectl
    k.apply(MYAPP)
    until(lambda: k("get", "events").count("SuccessfulCreate") == 3)
    assert "Scaled up replica set myapp-deploy-" in k("get", "events", "--field-selector", "involvedObject.kind=Deployment")
    assert "ScalingReplicaSet" in k("describe", "deployment", "myapp-deploy")
    if k.minor >= 26:
        assert "Deployment/myapp-deploy" in k("events")


def test_prune(some_kubectl):
    """Which kinds to look at has to be said: the list that kubectl brings along has kinds that are not served."""
    k = some_kubectl
    kinds = f"--prune-{'whitelist' if k.minor < 26 else 'allowlist'}=core/v1/ConfigMap"
    labelled = CONFIG.replace("{name: c}", "{name: NAME, labels: {set: x}}")
    for name in ("one", "two"):
        out = k.apply(labelled.replace("NAME", name), "--prune", "-l", "set=x", kinds)
    assert "configmap/two created\n" in out and "configmap/one pruned\n" in out
    assert k("get", "configmaps", "-o", "name") == "configmap/two\n"


def test_fields_that_are_wrong(some_kubectl):
    k = some_kubectl
    unknown, typed = WEB.replace("selector:", "selektor:"), WEB.replace("port: 80", "port: eighty")
    if k.minor >= SSA_SINCE:
        bad = 'Error from server (BadRequest): error when creating "STDIN": Service in version "v1" cannot be handled as a Service: '
        assert k.fails("create", "-f", "-", "--validate=strict", stdin=unknown) == \
            bad + 'strict decoding error: unknown field "spec.selektor"\n'
        assert k.fails("create", "-f", "-", stdin=typed) == \
            bad + "json: cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type int32\n"
        warned = k.try_run("create", "-f", "-", "--validate=warn", "--dry-run=server", stdin=unknown)
        assert (warned.code, warned.out) == (0, "service/web created (server dry run)\n")
        assert warned.err == 'Warning: unknown field "spec.selektor"\n'
        ignored = k.try_run("create", "-f", "-", "--validate=ignore", "--dry-run=server", stdin=unknown)
        assert (ignored.code, ignored.err) == (0, "")
    else:
        assert 'unknown field "selektor" in io.k8s.api.core.v1.ServiceSpec' in k.fails("create", "-f", "-", stdin=unknown)
        assert 'got "string", expected "integer"' in k.fails("create", "-f", "-", stdin=typed)
    assert k("get", "services", "-o", "name") == ""


def test_duplicate_fields(some_kubectl):
    """kubectl itself merges duplicates before it sends a manifest; --raw sends what was written."""
    k = some_kubectl
    path = f"/api/v1/namespaces/{k.namespace}/configmaps?dryRun=All&fieldValidation="
    text = k.fails("create", "--raw", path + "Strict", "-f", "-", stdin=DUPLICATE)
    assert 'strict decoding error: duplicate field "data"' in text
    done = k.try_run("create", "--raw", path + "Warn", "-f", "-", stdin=DUPLICATE)
    assert done.code == 0 and 'Warning: duplicate field "data"' in done.err
    assert json.loads(k("create", "--raw", path + "Ignore", "-f", "-", stdin=DUPLICATE))["data"] == {"a": "2"}


def test_selectors_that_cannot_be_read(some_kubectl):
    k = some_kubectl
    text = k.fails("get", "pods", "-l", "a in (b")
    assert text.count("\n") == 1 and "unable to parse requirement: found '', expected: ',' or ')'" in text
    text = k.fails("get", "pods", "--field-selector", "spec.foo=1")
    assert text.count("\n") == 1 and "field label not supported: spec.foo" in text


def test_conflicting_writers(some_kubectl):
    k = some_kubectl
    k.apply(CONFIG)
    stale = json.loads(k("get", "configmap", "c", "-o", "json"))
    k("label", "configmap", "c", "x=y")
    stale["data"] = {"a": "lost"}
    assert k.fails("replace", "-f", "-", stdin=json.dumps(stale)) == \
        'Error from server (Conflict): error when replacing "STDIN": Operation cannot be fulfilled on configmaps "c": ' \
        "the object has been modified; please apply your changes to the latest version and try again\n"
    assert k.get("configmap c", ".data.a") == "1"
    k("replace", "--force", "-f", "-", stdin=CONFIG)
    assert k.get("configmap c", ".metadata.labels") == ""


def test_watch_with_bookmarks(some_kubectl):
    """The stream as it is: what is there, the bookmark that ends it, and then a change."""
    k = some_kubectl
    k.apply(CONFIG)
    path = f"/api/v1/namespaces/{k.namespace}/configmaps?watch=1&allowWatchBookmarks=true&sendInitialEvents=true" \
           "&resourceVersionMatch=NotOlderThan&timeoutSeconds=1"
    events = [json.loads(line) for line in k("get", "--raw", path).splitlines()]
    assert [e["type"] for e in events[:2]] == ["ADDED", "BOOKMARK"]
    assert events[0]["object"]["metadata"]["name"] == "c"
    mark = events[1]["object"]["metadata"]
    assert mark["annotations"] == {"k8s.io/initial-events-end": "true"}
    k("label", "configmap", "c", "x=y")
    again = path.split("&sendInitialEvents")[0] + f"&resourceVersion={mark['resourceVersion']}&timeoutSeconds=1"
    events = [json.loads(line) for line in k("get", "--raw", again).splitlines()]
    assert events[0]["type"] == "MODIFIED" and events[0]["object"]["metadata"]["labels"] == {"x": "y"}


def test_rollouts_by_revision(some_kubectl):
    k = some_kubectl
    k("create", "deployment", "d", "--image=i:1", "--replicas=2")
    k("set", "env", "deployment/d", "A=b")
    until(lambda: re.search(r"^2 ", k("rollout", "history", "deployment/d"), re.M))
    assert re.search(r"A:\s+b", k("rollout", "history", "deployment/d", "--revision=2"))
    k("rollout", "undo", "deployment/d", "--to-revision=1")
    assert k.get("deployment d", ".spec.template.spec.containers[0].env") == ""
    assert "unable to find specified revision 77 in history" in k.fails("rollout", "undo", "deployment/d", "--to-revision=77")
    k("rollout", "restart", "deployment/d")
    assert "kubectl.kubernetes.io/restartedAt" in k("get", "deployment", "d", "-o", "yaml")


def test_more_verbs(some_kubectl):
    k = some_kubectl
    k("run", "solo", "--image=nginx", "--labels=a=b", "--port=80")
    k("expose", "pod", "solo", "--name=solo")
    assert k.get("service solo", ".spec.selector.a") == "b"
    k("set", "image", "pod/solo", "solo=nginx:2")
    assert k.get("pod solo", ".spec.containers[0].image") == "nginx:2"
    k("delete", "pod", "solo", "--grace-period=0", "--force")
    k("set", "selector", "service", "solo", "c=d")
    assert json.loads(k("get", "service", "solo", "-o", "json"))["spec"]["selector"] == {"c": "d"}
    k.apply(CONFIG)
    assert "a: \"1\"" in k("apply", "view-last-applied", "configmap", "c")
    k("label", "configmaps", "--all", "z=1")
    assert k("get", "configmaps", "-l", "z in (1,2),z", "-L", "z", "--no-headers").split()[-1] == "1"
    assert k("get", "configmap", "c", "-o", "go-template={{.data.b}}") == "2"
    k("create", "secret", "docker-registry", "r", "--docker-username=u", "--docker-password=p", "--docker-email=e@x.y")
    assert k("get", "secret", "r").splitlines()[1].split()[1] == "kubernetes.io/dockerconfigjson"
    if k.minor >= 24:
        k("wait", "configmap/c", "--for=jsonpath={.data.a}=1", "--timeout=5s")
