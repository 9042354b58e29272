"""The disk: full, read-only, damaged, from another version. What was acknowledged stays; each gets one sentence."""
import os
import pathlib
import shutil
import sqlite3
import subprocess
import time

import program
import pytest
import rest
from test_start import refuses

MAPS = "/api/v1/namespaces/default/configmaps"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def config_map(name, size=0):
    return {"metadata": {"name": name}, "data": {"x": "y" * size}}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 16 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_full_disk(small_disk):
    """Writes fail with one sentence, reads go on, nothing acknowledged is lost, and space brings writes back."""
    server = program.Server(data=small_disk)
    server.start()
    api = rest.Api(server)
    written, failure = [], None
    for i in range(400):
        answer = api.post(MAPS, config_map(f"m{i}", 200_000))
        if answer.status != 201:
            failure = answer
            break
        written.append(f"m{i}")
    assert failure and len(written) > 5
    message = rest.expect_status(failure, failure.status)
    assert failure.status in (500, 507) and ("full" in message or "space" in message), message
    for name in written:
        assert api.get(f"{MAPS}/{name}").status == 200
    assert api.get(f"{MAPS}/m{len(written)}").status == 404
    assert api.get("/livez").status == 200
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    deadline = time.monotonic() + 10
    while (answer := api.post(MAPS, config_map("after", 200_000))).status != 201:
        assert time.monotonic() < deadline, answer.body
        time.sleep(0.1)
    server.kill()
    server.start()
    api = rest.Api(server)
    for name in [*written, "after"]:
        assert api.get(f"{MAPS}/{name}").status == 200, name
    assert server.stop() == 0


def test_start_on_a_full_disk(small_disk):
    with open(small_disk / "blocker", "wb", buffering=0) as blocker:
        try:
            while True:
                blocker.write(b"x" * 65536)
        except OSError:
            pass
    refuses(small_disk / "data", 1, "space", str(small_disk / "data"))
    os.unlink(small_disk / "blocker")
    server = program.Server(data=small_disk).start()
    assert rest.Api(server).get(MAPS).status == 200
    assert server.stop() == 0


def test_full_disk_at_restart(small_disk):
    """A directory that was in use starts again when there is space, with everything in it."""
    server = program.Server(data=small_disk).start()
    rest.Api(server).post(MAPS, config_map("kept"))
    server.kill()
    with open(small_disk / "blocker", "wb", buffering=0) as blocker:
        try:
            while True:
                blocker.write(b"x" * 4096)
        except OSError:
            pass
    refuses(small_disk / "data", 1, "space")
    os.unlink(small_disk / "blocker")
    server.start()
    assert rest.Api(server).get(MAPS + "/kept").status == 200
    assert server.stop() == 0


def test_read_only_directory(small_disk):
    server = program.Server(data=small_disk).start()
    server.stop()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    refuses(small_disk / "data", 1, "ead-only", str(small_disk / "data"))
    refuses(small_disk / "new", 1, "ead-only", str(small_disk / "new"))
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)


def database(server):
    return server.dir / "data/store/store.db"


def settle(server):
    """Stops the server, and leaves everything in the main file."""
    server.stop()
    with sqlite3.connect(database(server)) as db:
        db.execute("pragma wal_checkpoint(truncate)")
    db.close()


def test_directory_of_a_newer_version():
    """Going back is refused, and leaves the directory as it was."""
    with program.Server() as server:
        rest.Api(server).post(MAPS, config_map("kept"))
        settle(server)
        db = sqlite3.connect(database(server))
        version = db.execute("pragma user_version").fetchone()[0]
        db.execute(f"pragma user_version = {version + 1}")
        db.commit()
        db.close()
        before = database(server).read_bytes()
        refuses(server.dir / "data", 1, "newer", str(server.dir / "data"))
        assert database(server).read_bytes() == before
        db = sqlite3.connect(database(server))
        db.execute(f"pragma user_version = {version}")
        db.commit()
        db.close()
        server.start()
        assert rest.Api(server).get(MAPS + "/kept").status == 200


@pytest.mark.parametrize("how", ["text", "empty-page", "cut", "header", "other-program"])
def test_damaged_file(how):
    with program.Server() as server:
        api = rest.Api(server)
        for i in range(200):
            api.post(MAPS, config_map(f"m{i}", 1000))
        settle(server)
        path = database(server)
        good = path.read_bytes()
        page = 4096
        if how == "text":
            path.write_text("not a database\n" * 1000)
        elif how == "empty-page":
            path.write_bytes(good[:page] + b"\0" * page * 3 + good[4 * page:])
        elif how == "cut":
            path.write_bytes(good[:len(good) // 2 // page * page + 100])
        elif how == "header":
            path.write_bytes(b"\xff" * 100 + good[100:])
        else:
            path.unlink()
            other = sqlite3.connect(path)
            other.execute("create table bookmarks (url)")
            other.commit()
            other.close()
        damaged = path.read_bytes()
        refuses(server.dir / "data", 1, "store.db")
        assert path.read_bytes() == damaged
        path.write_bytes(good)
        server.start()
        assert len(rest.Api(server).get(MAPS).json["items"]) >= 200


def test_missing_file_is_a_new_store():
    with program.Server() as server:
        server.stop()
        shutil.rmtree(server.dir / "data/store")
        server.start()
        assert rest.Api(server).get("/api/v1/namespaces/default").status == 200


def test_half_a_log_after_power_loss():
    """The write-ahead log may end anywhere; what it holds whole is kept, and the server starts."""
    with program.Server() as server:
        api = rest.Api(server)
        for i in range(50):
            assert api.post(MAPS, config_map(f"m{i}", 1000)).status == 201
        server.kill()
        wal = pathlib.Path(f"{database(server)}-wal")
        if wal.exists() and wal.stat().st_size > 5000:
            os.truncate(wal, wal.stat().st_size - 1000)
        server.start()
        names = {item["metadata"]["name"] for item in rest.Api(server).get(MAPS).json["items"]}
        assert {f"m{i}" for i in range(45)} <= names


def test_store_stays_damaged_file_names_the_way_out():
    with program.Server() as server:
        settle(server)
        database(server).write_text("junk" * 5000)
        line = refuses(server.dir / "data", 1, "store.db")
        assert "restore" in line or "remove" in line, line
        database(server).unlink()
        server.start()
