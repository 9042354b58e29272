"""What `make install` puts where."""
import os
import pathlib
import shutil
import subprocess

import program

BUILD = program.FAIRLEAD.parents[2]


def test_install(tmp_path):
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", tmp_path], check=True,
                   capture_output=True)
    found = {str(p.relative_to(tmp_path)): p for p in tmp_path.rglob("*") if not p.is_dir() or p.is_symlink()}
    names = {name.rsplit("/", 1)[1] for name in found}
    assert names == {"fairlead", "kube-proxy", "fairlead-server.service", "fairlead-agent.service",
                     "fairlead-proxy.service"}
    link = next(p for name, p in found.items() if name.endswith("bin/kube-proxy"))
    assert os.readlink(link) == "fairlead"
    done = subprocess.run([link, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--proxy-mode" in done.stdout and "--data-dir" not in done.stdout
    assert shutil.which("systemd-analyze"), "install the package systemd"
    units = [p for name, p in found.items() if name.endswith(".service")]
    fairlead = next(p for name, p in found.items() if name.endswith("bin/fairlead"))
    for unit in units:
        text = unit.read_text()
        assert "@" not in text
        unit.write_text(text.replace("ExecStart=/" + str(fairlead.relative_to(tmp_path)), f"ExecStart={fairlead}"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)
    assert done.returncode == 0 and not [line for line in done.stderr.splitlines() if "fairlead" in line], done.stderr


def test_units_hold_the_needed_rights():
    for unit in ("server", "agent", "proxy"):
        text = (pathlib.Path(program.ROOT) / f"packaging/systemd/fairlead-{unit}.service.in").read_text()
        for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW"):
            assert line in text
        assert "ProtectKernelTunables" not in text  # the proxy sets net.ipv4 sysctls
