"""The built program under test: a running server, and the clients that drive it."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FAIRLEAD = pathlib.Path(os.environ.get("FAIRLEAD", ROOT / "build/release/src/cmd/fairlead")).resolve()
DEBIAN_KUBECTL = ROOT / "build/tools/kubectl-1.20"

# Lines that tests provoke on purpose.
EXPECTED_LOG = re.compile(r"told to fail")


def find_kubectls():
    """Debian's 1.20 always, and every newer kubectl.1.x beside a kubectl in PATH. Name -> path, oldest first."""
    assert DEBIAN_KUBECTL.exists(), f"{DEBIAN_KUBECTL} is missing: run make deps"
    found = {"1.20": DEBIAN_KUBECTL}
    folders = [pathlib.Path(p) for p in os.environ.get("PATH", "").split(":") if p]
    plain = shutil.which("kubectl")
    if plain:
        folders.append(pathlib.Path(plain).resolve().parent)
    for folder in folders:
        for path in sorted(folder.glob("kubectl.1.*")):
            found.setdefault(path.name.removeprefix("kubectl."), path)
    return dict(sorted(found.items(), key=lambda item: int(item[0].split(".")[1])))


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def text(self):
        return self.out + self.err


class Server:
    """fairlead server in a directory of its own. Stops cleanly, or the test fails with what it logged."""

    def __init__(self, *flags, data=None, prefix=(), store="embedded", agent=False):
        self.dir = pathlib.Path(data or tempfile.mkdtemp(prefix="fairlead-test-"))
        self.owns_dir = data is None
        self.flags = ["--data-dir", str(self.dir / "data"), "--secure-port", "0", "--store", store, *flags]
        if not agent:
            self.flags.append("--disable-agent")
        self.prefix = list(prefix)
        self.process = None
        self.log_path = self.dir / "server.log"

    def start(self, wait_s=20):
        self.out_path = self.dir / "server.out"
        with open(self.log_path, "ab") as log, open(self.out_path, "wb") as out:
            self.process = subprocess.Popen([*self.prefix, str(FAIRLEAD), "server", *self.flags], stdout=out, stderr=log)
        deadline = time.monotonic() + wait_s
        while "serves the Kubernetes API" not in self.out_path.read_text():
            assert self.process.poll() is None, f"the server ended by itself:\n{self.log()}"
            assert time.monotonic() < deadline, f"the server is not ready after {wait_s} s:\n{self.log()}"
            time.sleep(0.005)
        self.port = int(re.search(r"on port (\d+)", self.out_path.read_text()).group(1))
        return self

    @property
    def kubeconfig(self):
        return self.dir / "data/admin.kubeconfig"

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise AssertionError(f"the server did not stop on SIGTERM:\n{self.log()}") from None
        code = self.process.returncode if self.process else 0
        self.process = None
        return code

    def check_log(self):
        bad = [line for line in self.log().splitlines()
               if re.match(r"[EW]\d{4} ", line) and not EXPECTED_LOG.search(line)]
        bad += [line for line in self.log().splitlines() if "Sanitizer" in line or "runtime error" in line]
        assert not bad, "unexpected lines in the server's log:\n" + "\n".join(bad)

    def close(self):
        code, log = self.stop(), self.log()
        try:
            assert code == 0, f"the server ended with status {code}:\n{log}"
            self.check_log()
        finally:
            if self.owns_dir:
                shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()


class Kubectl:
    """One client against one server, in a namespace of its own, with a home of its own."""

    def __init__(self, server, version, path):
        self.server, self.version, self.path = server, version, path
        self.minor = int(version.split(".")[1])
        self.namespace = "default"
        self.home = server.dir / f"home-{version}"
        self.home.mkdir(exist_ok=True)

    def try_run(self, *args, stdin=None, timeout=60, env=None, **more):
        command = [str(self.path), "--kubeconfig", str(self.server.kubeconfig), "-n", self.namespace, *args]
        environment = dict(os.environ, HOME=str(self.home), **(env or {}))
        return Result(subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout,
                                     env=environment, **more))

    def __call__(self, *args, **more):
        result = self.try_run(*args, **more)
        assert result.code == 0, f"kubectl {' '.join(args)} failed:\n{result.text}"
        return result.out

    def fails(self, *args, **more):
        result = self.try_run(*args, **more)
        assert result.code != 0, f"kubectl {' '.join(args)} should fail:\n{result.text}"
        return result.text

    def apply(self, manifest, *args):
        return self("apply", *args, "-f", "-", stdin=manifest)

    def get(self, what, path):
        return self("get", *what.split(), "-o", f"jsonpath={{{path}}}")
