"""What the engine's client promises, on the real engine; and that nothing of a run stays."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from disks import small_disk
from relays import Relay

from rootfs_ansible.drive import container, keeper
from rootfs_ansible.drive.engine import LABEL_KEY, LABEL_OWNER, LABEL_PURPOSE, Engine
from rootfs_ansible.drive.keeper import Process
from rootfs_ansible.drive.sources import Sources
from rootfs_ansible.errors import EngineError

pytestmark = pytest.mark.engine

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
SECRET = "a token that nobody may see"
MINE = "rootfs.builder.test=engine"
LABELS = dict([MINE.split("=")])


@pytest.fixture
def engine(docker_host: str) -> Iterator[Engine]:
    engine = Engine(docker_host)
    yield engine
    engine.remove_labelled(MINE)
    engine.close()


@pytest.fixture
def name() -> str:
    return f"rootfs-test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def started(engine: Engine, root_image: str, name: str) -> str:
    """A running container on the engine's default network."""
    engine.start(root_image, name, labels=LABELS, environment={"TOKEN": SECRET})
    return name


@pytest.fixture
def tag(engine: Engine) -> Iterator[str]:
    tag = f"rootfs.builder/test:{uuid.uuid4().hex[:12]}"
    yield tag
    engine.remove_image(tag)


def docker(engine: Engine, *words: str) -> str:
    return subprocess.check_output(["docker", "--host", engine.docker_host, *words], text=True)


def output(engine: Engine, name: str, script: str) -> str:
    completed = engine.execute(name, ["sh", "-c", script])
    assert completed.code == 0, completed.output
    return completed.output


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 120
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


# --- containers ----------------------------------------------------------------------------------


def test_a_container_waits_and_its_orphans_are_reaped(engine: Engine, started: str) -> None:
    output(engine, started, "(sleep 0.1 & exec sleep 0.01) & true")
    states = "cat /proc/[0-9]*/stat | cut -d' ' -f3"
    assert eventually(lambda: "Z" not in output(engine, started, states))
    found = engine.container(started)
    assert found is not None and found.running


def test_every_container_has_the_same_name_of_a_host(engine: Engine, started: str) -> None:
    assert output(engine, started, "hostname; getent hosts rootfs | wc -l") == "rootfs\n1\n"


def test_a_command_that_fails_is_told_with_its_output(engine: Engine, started: str) -> None:
    completed = engine.execute(started, ["sh", "-c", "echo one; echo two >&2; exit 3"])
    assert (completed.code, sorted(completed.output.split())) == (3, ["one", "two"])


def test_a_secret_is_in_memory_alone(engine: Engine, started: str, tag: str) -> None:
    path = "/run/rootfs/secrets/npmrc"
    engine.write(started, path, SECRET.encode())
    assert output(engine, started, f"stat -c '%a %u %s' {path}; cat {path}") == (
        f"400 0 {len(SECRET)}\n{SECRET}"
    )
    engine.write(started, "/run/rootfs/empty", b"", 0o444)
    engine.write(started, "/run/rootfs/big", b"x" * 500_000, 0o444)
    assert output(engine, started, "cd /run/rootfs; stat -c '%a %s' empty big") == (
        "444 0\n444 500000\n"
    )
    engine.write(started, path, b"another", 0o400)
    assert output(engine, started, f"cat {path}") == "another"
    engine.commit(started, tag, labels={})
    seen = docker(engine, "inspect", tag) + docker(engine, "history", "--no-trunc", tag)
    assert SECRET not in seen + docker(engine, "logs", started)
    layers = docker(engine, "run", "--rm", tag, "ls", "-A", "/run/rootfs")
    assert layers == ""


def test_sources_are_put_with_links_that_lead_out(
    engine: Engine, started: str, tmp_path: Path
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "index.js").write_text("1")
    (tmp_path / "out").symlink_to("../../../../../outside")
    (tmp_path / "away").symlink_to("/nowhere")
    archive, _ = Sources(tmp_path).archive("srv/my/app")
    with archive:
        engine.put(started, "/srv/my/app", archive)
    assert output(
        engine, started, "cd /srv/my/app && find . -printf '%p %y %m %U:%G %l\\n' | sort"
    ) == (
        ". d 755 0:0 \n"
        "./away l 777 0:0 /nowhere\n"
        "./out l 777 0:0 ../../../../../outside\n"
        "./src d 755 0:0 \n"
        "./src/index.js f 644 0:0 \n"
    )


def test_offline_means_loopback_alone(engine: Engine, started: str) -> None:
    interfaces = "cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' ' | sort"
    assert "eth0" in output(engine, started, interfaces).split()
    assert engine.disconnect(started)
    assert output(engine, started, interfaces).split() == ["lo"]
    talk = (
        "import socket; s = socket.create_server(('127.0.0.1', 0));"
        " socket.create_connection(s.getsockname()); print('heard')"
    )
    assert output(engine, started, f'python3 -c "{talk}"') == "heard\n"
    assert not engine.disconnect(started)


def test_the_host_network_cannot_be_taken(engine: Engine, root_image: str, name: str) -> None:
    engine.start(root_image, name, labels=LABELS, network="host")
    with pytest.raises(EngineError, match="uses the host's own network"):
        engine.disconnect(name)


def test_containers_of_a_run_do_not_reach_each_other(
    engine: Engine, root_image: str, name: str
) -> None:
    engine.create_network(name, labels=LABELS)
    for number in (1, 2):
        engine.start(root_image, f"{name}-{number}", labels=LABELS, network=name)
    serve = (
        "python3 -c \"import socket; socket.create_server(('', 80)).accept()\" >/dev/null 2>&1 &"
    )
    output(engine, f"{name}-1", serve)
    call = f"import socket; socket.setdefaulttimeout(2); socket.create_connection(('{name}-1', 80))"
    reached = engine.execute(f"{name}-2", ["python3", "-c", call])
    assert reached.code != 0
    assert "timed out" in reached.output or "refused" in reached.output


def test_a_path_of_an_image_becomes_a_path_of_a_container(
    engine: Engine, started: str, root_image: str
) -> None:
    engine.copy(root_image, "/etc/apt", started, "/opt/x/configuration", labels=LABELS)
    engine.copy(root_image, "/etc/passwd", started, "/opt/x/configuration/users", labels=LABELS)
    same = "diff -r --exclude=users /etc/apt /opt/x/configuration && cmp /etc/passwd"
    assert output(engine, started, f"{same} /opt/x/configuration/users && echo same") == "same\n"
    with pytest.raises(EngineError, match="/no/such"):
        engine.copy(root_image, "/no/such", started, "/opt/y", labels=LABELS)


def test_a_path_that_is_there_already_is_not_copied_again(
    engine: Engine, started: str, root_image: str
) -> None:
    def new(*, check: bool = False) -> bool:
        return engine.copy(root_image, "/etc/apt", started, "/opt/y", labels=LABELS, check=check)

    assert new(check=True)
    assert output(engine, started, "ls -A /opt") == ""
    assert new()
    output(engine, started, "touch /opt/y/another /opt/y/apt.conf.d")
    assert not new()
    for change in ("chmod 600 {0}", "chown 1 {0}", "echo more >> {0}", "rm {0}"):
        output(engine, started, change.format("/opt/y/apt.conf.d/99rootfs"))
        assert new(check=True) and new() and not new(), change


def test_a_full_disk_ends_a_copy_at_once(
    engine: Engine, started: str, root_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "full") as full:
        monkeypatch.setattr(tempfile, "tempdir", str(full))
        began = time.monotonic()
        with pytest.raises(EngineError) as failed:
            engine.copy(root_image, "/usr/bin", started, "/opt/z", labels=LABELS)
    assert time.monotonic() - began < 60
    assert failed.value.where == str(full)
    assert (
        failed.value.what == f"the disk is full when /usr/bin was copied out of image {root_image}"
    )
    assert "TMPDIR" in failed.value.hint
    assert [labels.get(LABEL_PURPOSE) for labels in engine.labelled(MINE)] == [None]


# --- images --------------------------------------------------------------------------------------


def test_a_committed_image_has_a_clean_configuration(
    engine: Engine, started: str, tag: str, root_image: str
) -> None:
    output(engine, started, "echo new > /etc/new")
    made = engine.commit(started, tag, labels={LABEL_KEY: "k"})
    (inspected,) = json.loads(docker(engine, "inspect", tag))
    configuration = {name: value for name, value in inspected["Config"].items() if value}
    assert configuration.pop("Labels") == {LABEL_KEY: "k"}
    assert set(configuration) <= {"Image"}
    assert made.tags == (tag,) and len(made.layers) == len(_layers(engine, root_image)) + 1
    assert docker(engine, "run", "--rm", tag, "cat", "/etc/new") == "new\n"
    assert not docker(
        engine, "images", "--quiet", "--filter", "dangling=true", "--filter", f"label={MINE}"
    )


def test_an_engine_that_wants_every_layer_gets_them(engine: Engine, started: str, tag: str) -> None:
    thin = engine.commit(started, tag, labels={LABEL_KEY: "k"})
    engine._reload(thin, tag, {LABEL_KEY: "other"}, thin.architecture)
    whole = engine.image(tag)
    assert whole is not None
    assert (whole.layers, whole.labels) == (thin.layers, {LABEL_KEY: "other"})


def test_a_commit_of_the_same_key_is_made_once(engine: Engine, started: str, tag: str) -> None:
    def commit(key: str, *, check: bool = False) -> bool:
        changed, _ = container.commit(engine, started, tag, key=key, stage="test", check=check)
        return changed

    assert commit("one", check=True) and engine.image(tag) is None
    assert (commit("one"), commit("one"), commit("two")) == (True, False, True)


def _layers(engine: Engine, image: str) -> tuple[str, ...]:
    found = engine.image(image)
    assert found is not None
    return found.layers


# --- an engine that does not answer --------------------------------------------------------------


def test_no_engine_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as failed:
        Engine(f"unix://{tmp_path}/none.sock").ping()
    assert "no answer from the container engine" in failed.value.what
    assert failed.value.where == f"engine unix://{tmp_path}/none.sock"
    assert "docker version" in failed.value.hint and "DOCKER_HOST" in failed.value.hint


def test_an_engine_that_falls_silent_is_not_waited_for_forever(tmp_path: Path) -> None:
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with pytest.raises(EngineError, match="no answer from the container engine when"):
            Engine(f"unix://{path}", timeout=1).container("any")


def test_an_engine_that_dies_in_a_call_is_named(engine: Engine, started: str) -> None:
    with Between(engine, dying_after=3) as docker_host:
        client = Engine(docker_host)
        client.ping()
        with pytest.raises(EngineError) as failed:
            for _ in range(9):
                client.container(started)
    assert started in failed.value.what
    assert failed.value.where == f"engine {docker_host}"


def test_a_client_that_waits_for_a_silent_engine_is_ended(
    engine: Engine, started: str, tmp_path: Path
) -> None:
    relay = Relay(engine.docker_host, tmp_path / "relay.sock")
    client = ["docker", "--host", relay.docker_host, "exec", started, "sleep", "600"]
    # The run is the client's parent, as Ansible's worker is.
    run = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess; subprocess.run({client})"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    busy = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
    assert eventually(lambda: "sleep 600" in output(engine, started, busy))
    watcher = threading.Thread(
        target=keeper.watch,
        args=(relay.docker_host, Process.of(run.pid)),
        kwargs={"ask": 0.1, "patience": 1},
    )
    watcher.start()
    time.sleep(1)
    assert run.poll() is None, "an engine that answers is waited for"
    relay.freeze()
    watcher.join()
    assert run.wait() == 0


class Between:
    """A way to the engine that is cut after some connections."""

    def __init__(self, engine: Engine, *, dying_after: int) -> None:
        self._target = engine.docker_host.removeprefix("unix://")
        self._left = dying_after
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> str:
        threading.Thread(target=self._serve, daemon=True).start()
        host, port = self._listener.getsockname()
        return f"tcp://{host}:{port}"

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        requests = self._left
        client, _ = self._listener.accept()
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self._target)
            while requests and (data := client.recv(65536)):
                server.sendall(data)
                client.sendall(server.recv(65536))
                requests -= 1
        self._listener.close()


# --- the end of a run ----------------------------------------------------------------------------

BUILDER = """
import sys, time
from pathlib import Path
from rootfs_ansible.drive import container
from rootfs_ansible.drive.engine import Engine
from rootfs_ansible.drive.keeper import run_process
owner = run_process()
for purpose in ("build", "staging"):
    container.start(Engine(), owner, container.Request(sys.argv[1], "shop", purpose))
print(owner, flush=True)
if sys.argv[2] == "wait":
    time.sleep(600)
if sys.argv[2] == "fail":
    raise SystemExit(1)
"""


def run(engine: Engine, image: str, end: str) -> tuple[subprocess.Popen[str], str]:
    """Start a process that starts two containers; return it and the owner it is."""
    process = subprocess.Popen(
        [sys.executable, "-c", BUILDER, image, end],
        env={**os.environ, "DOCKER_HOST": engine.docker_host},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def left(engine: Engine, owner: str) -> int:
    return len(engine.labelled(f"{LABEL_OWNER}={owner}"))


@pytest.mark.parametrize("end", ["success", "fail"])
def test_nothing_stays_after_an_end(engine: Engine, root_image: str, end: str) -> None:
    process, owner = run(engine, root_image, end)
    assert owner
    process.wait(timeout=60)
    assert eventually(lambda: left(engine, owner) == 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_after_a_signal(
    engine: Engine, root_image: str, number: signal.Signals
) -> None:
    process, owner = run(engine, root_image, "wait")
    assert left(engine, owner) == 3  # two containers and their network
    # The whole group, as Ctrl-C and a terminal that is closed do.
    os.killpg(process.pid, number)
    process.wait(timeout=60)
    assert eventually(lambda: left(engine, owner) == 0)


def test_the_next_run_sweeps_what_a_killed_keeper_left(engine: Engine, root_image: str) -> None:
    process, owner = run(engine, root_image, "wait")
    (watcher,) = _keepers(owner)
    os.kill(watcher, signal.SIGKILL)
    assert eventually(lambda: not _keepers(owner))
    process.kill()
    assert left(engine, owner) == 3
    process.wait(timeout=60)
    other, its_owner = run(engine, root_image, "wait")
    assert left(engine, owner) == 0
    assert left(engine, its_owner) == 3
    keeper.sweep(engine)
    assert left(engine, its_owner) == 3, "what belongs to a live process is not swept"
    other.kill()
    other.wait()
    assert eventually(lambda: left(engine, its_owner) == 0)


IN_A_CONTAINER = """
import sys
from rootfs_ansible.drive import container
from rootfs_ansible.drive.engine import Engine
from rootfs_ansible.drive.keeper import network_of, run_process
engine, owner = Engine(), run_process()
names = []
for purpose in ("build", "staging"):
    request = container.Request(sys.argv[1], "shop", purpose)
    container.start(engine, owner, request)
    names.append(container.name_of(request, owner))
said = [str(owner)]
for name in names:
    container.remove(engine, owner, name)
    said.append(str(len(engine.labelled(f"rootfs.builder.owner={owner}"))))
print(*said)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have processes of its own")
def test_a_run_that_is_all_of_a_container_leaves_no_network(
    engine: Engine, root_image: str
) -> None:
    """Its keeper ends with it, and no other host can tell whether it still runs."""
    said = subprocess.check_output(
        ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable,
         "-c", IN_A_CONTAINER, root_image],
        env={**os.environ, "DOCKER_HOST": engine.docker_host},
        text=True,
    )  # fmt: skip
    owner, *counts = said.split()
    assert counts == ["2", "0"], "the other container needs the network"
    assert left(engine, owner) == 0


def test_a_network_of_another_host_is_removed_once_it_is_old_and_idle(
    engine: Engine, root_image: str, name: str
) -> None:
    for network in (name, f"{name}-idle"):
        engine.create_network(network, labels=LABELS)
    engine.start(root_image, name, labels=LABELS, network=name)
    assert engine.remove_idle_networks(MINE, 3600) == 0
    assert engine.remove_idle_networks(MINE, 0) == 1
    assert not engine.remove_network(name), "it is in use"
    assert engine.remove_labelled(MINE) == 2


def test_a_later_process_with_the_same_pid_is_another() -> None:
    process = Process.of(os.getpid())
    assert process.alive() and Process.parse(str(process)) == process
    assert not Process(process.host, process.pid, "1").alive()
    assert Process("elsewhere/1", process.pid, "1").alive(), "nobody knows of another host"


def _keepers(owner: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode().split("\0")
        except OSError:
            continue
        if owner in words and "rootfs_ansible.drive.keeper" in words:
            found.append(int(path.parent.name))
    return found


PLAYBOOK = """
- hosts: apps
  gather_facts: false
  vars: {ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  tasks:
    - rootfs.builder.container: {state: started, purpose: build, image: "{{ image }}"}
    - rootfs.builder.container: {state: started, purpose: build, image: "{{ image }}"}
    - ansible.builtin.command: touch {{ inventory_dir }}/{{ inventory_hostname }}
    - ansible.builtin.command: sleep 600
"""
INVENTORY = "[apps]\none\ntwo\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_stays_of_a_playbook(
    engine: Engine, root_image: str, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "playbook.yml").write_text(PLAYBOOK)
    (tmp_path / "hosts").write_text(INVENTORY)
    process = subprocess.Popen(
        [PROGRAMS / "ansible-playbook", "-i", tmp_path / "hosts", tmp_path / "playbook.yml",
         "-e", f"image={root_image}"],
        env={**os.environ, "DOCKER_HOST": engine.docker_host},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )  # fmt: skip
    assert eventually(lambda: all((tmp_path / host).exists() for host in ("one", "two")))
    owner = str(Process.of(process.pid))
    assert left(engine, owner) == 3  # a container for each host, one network for both
    process.send_signal(number)
    text, _ = process.communicate()
    assert eventually(lambda: left(engine, owner) == 0), text
    assert text.count("ok: [") == 2, text
