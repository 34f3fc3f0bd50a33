"""Missions on hosts against the same mission on this machine: a real sshd on loopback with keys of its own, and hosts behind a command."""

import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import measure
from measure import Job

SSHD = "/usr/sbin/sshd"


class Sshd:
    """A server on loopback whose users have a home of their own. It ends with `close`."""

    def __init__(self, folder: Path, name: str):
        self.name, self.home = name, folder / f"{name}-home"
        self.folder = folder / name
        self.folder.mkdir(parents=True)
        self.home.mkdir()
        for key in ("hostkey", "identity"):
            make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / key)]
            subprocess.run(make, check=True)
        shutil.copy(self.folder / "identity.pub", self.folder / "authorized_keys")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        config = self.folder / "config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/hostkey\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\nPidFile none\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\n"
            f"SetEnv HOME={self.home} GIT_CONFIG_SYSTEM=/dev/null PATH={os.environ['PATH']}\n"
        )
        log = (self.folder / "log").open("wb")
        self.server = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        until = time.monotonic() + 10
        while time.monotonic() < until and self.server.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            time.sleep(0.02)
        else:
            raise SystemExit(f"sshd does not start: {(self.folder / 'log').read_text()}")
        kind, key = (self.folder / "hostkey.pub").read_text().split()[:2]
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")

    def settings(self, workers: int, program: Path | None = None) -> str:
        """The lines of a mission's settings; `program` is used there, or what runs the mission is sent."""
        there = f"program = '{program.resolve()}'\n" if program else ""
        return (
            f"[[backend.ssh.hosts]]\nname = '{self.name}'\nhostname = '127.0.0.1'\nport = {self.port}\n{there}"
            f"identity_file = '{self.folder}/identity'\nknown_hosts = '{self.folder}/known_hosts'\nmax_workers = {workers}\n"
        )

    def close(self) -> None:
        """Ends it with what it has started."""
        os.killpg(self.server.pid, signal.SIGTERM)
        self.server.wait()


def behind_commands(mc: Path, count: int, folder: Path) -> str:
    """Settings of hosts on this machine with one worker each, every one with a folder of its own."""
    host = "[[backend.hosts]]\nname = 'host{0}'\nconnect = ['env']\nmax_workers = 1\nroot = '{1}/root{0}'\nprogram = '{2}'\nidle = '0s'\n"
    return "".join(host.format(n, folder, mc.resolve()) for n in range(count))


@dataclass
class Mission:
    """What one mission took."""

    wall_s: float
    phases: list[dict]
    """Milliseconds of each unit by phase."""

    def session_s(self) -> list[float]:
        """From the start of each session to its pinned work."""
        return [sum(unit.get(phase, 0) for phase in ("prepare", "agent", "collect")) / 1000 for unit in self.phases]


class Place:
    """Where missions on hosts are played, with servers that stay from one mission to the next."""

    def __init__(self, servers: int):
        self.folder = Path(tempfile.mkdtemp(prefix="hosts-", dir=measure.place()))
        self.servers = [Sshd(self.folder, f"h{n + 1}") for n in range(servers)]

    def close(self) -> None:
        """Ends the servers and removes everything."""
        for server in self.servers:
            server.close()
        until = time.monotonic() + 5
        # Workers end with their connections, and are ours by now.
        while time.monotonic() < until:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    time.sleep(0.01)
            except ChildProcessError:
                break
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, mc: Path, job: Job, backend: str, units: str | None = None) -> tuple[list[str], Path, dict[str, str]]:
        """Command, source and environment of a mission that was not begun yet."""
        home = Path(tempfile.mkdtemp(prefix="run-", dir=self.folder))
        source = home / "source"
        subprocess.run(["cp", "-a", str(measure.template(job.files)), str(source)], check=True)
        env = measure.environment(home) | {
            "BENCH_WORK_S": str(job.work_s),
            "BENCH_EVENTS": str(home / "events"),
            "MC_STATE_DIR": str(home / "state"),
        }
        subprocess.run(["git", "update-index", "-q", "--refresh"], cwd=source, env=env, check=False)
        command = measure.mission(home, source, measure.built("agent"), job.verify, job, mc)
        with (home / "mission-control.toml").open("a") as settings:
            settings.write(backend)
        if units:
            (home / "plan.toml").write_text(units)
        return command, source, env

    def play(self, mc: Path, job: Job, backend: str, units: str | None = None) -> Mission:
        """A whole mission."""
        command, source, env = self.start(mc, job, backend, units)
        home = source.parent
        # Servers are children that live on.
        wall, _, _, code = measure.timed(command, source, env, home / "said", patience=0.5)
        if code:
            raise SystemExit(f"exit {code}, see {home}")
        status = [str(mc), "-C", str(source), "status", "--json"]
        said = subprocess.run(status, env=env, check=True, capture_output=True, text=True).stdout
        phases = [unit["times"]["phases"] for unit in json.loads(said)["units"]]
        shutil.rmtree(home, ignore_errors=True)
        return Mission(wall, phases)


def ratios(pairs: list[tuple[float, float]]) -> str:
    """The median of the ratios, with the least and the most."""
    found = sorted(a / b for a, b in pairs)
    return f"{statistics.median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})"


def row(job: str, what: str, floor: str, ratio: str, cpu: str = "") -> str:
    """A row of the table."""
    return f"| {job} | {what} | {floor} | {ratio} | {cpu} | | | |"


def session(mc: Path, runs: int | None, say) -> list[str]:
    """Units of 1 s, one after the other, on a host over ssh against this machine."""
    place = Place(1)
    job = Job(10, workers=1, work_s=1, verify="true")
    try:
        backend = place.servers[0].settings(1)
        # The program gets there once.
        place.play(mc, Job(1, workers=1, verify="true"), backend)
        sessions, walls = [], []
        for _ in range(runs or 3):
            there, here = place.play(mc, job, backend), place.play(mc, job, "")
            # The first unit of a mission finds an empty slot, there and here.
            sessions.append(tuple(statistics.median(mission.session_s()[1:]) for mission in (there, here)))
            walls.append((there.wall_s, here.wall_s))
            say(f"ssh-session: a session {sessions[-1][0]:.3f} : {sessions[-1][1]:.3f} s, mission {walls[-1][0]:.2f} : {walls[-1][1]:.2f} s")
    finally:
        place.close()
    return [
        row("ssh-session", "a session of 1 s (workspace, agent, collection), median", "this machine", ratios(sessions)),
        row("ssh-session", "mission of 10 such units in turn, connection included", "this machine", ratios(walls)),
    ]


def spread(mc: Path, runs: int | None, say) -> list[str]:
    """100 units of 1 s, and of 10 s, over two hosts with eight workers each, against lower bounds.

    With so many workers every unit of a wave ends in ceil(units / workers) x work at the earliest. Where all hosts are one machine, its
    processors bound it too: units x processor time of a unit / processors.
    """
    count, workers, rows = 100, 8, []
    for work, usual in ((1, 3), (10, 1)):
        waves = -(-count // (2 * workers)) * work
        job = Job(count, work_s=work, verify="true")
        slots, both, others = [], [], []
        for _ in range(runs or usual):
            before, place = children_cpu(), Place(2)
            try:
                backend = "".join(server.settings(workers) for server in place.servers)
                place.play(mc, Job(2, workers=2, verify="true"), backend)
                there = place.play(mc, job, backend)
            finally:
                place.close()
            cpu = (children_cpu() - before) / (os.cpu_count() or 1)
            place = Place(0)
            here = place.play(mc, Job(count, workers=2 * workers, work_s=work, verify="true"), "")
            place.close()
            slots.append((there.wall_s, waves))
            both.append((there.wall_s, max(waves, cpu)))
            others.append((there.wall_s, here.wall_s))
            say(
                f"ssh-spread: units of {work} s: {there.wall_s:.2f} s, bound {waves} s by workers and {cpu:.1f} s by processors, "
                f"this machine with 16 workers {here.wall_s:.2f} s"
            )
        rows += [
            row("ssh-spread", f"100 units of {work} s, 2 hosts x 8", f"{waves} s by workers", ratios(slots)),
            row("ssh-spread", "the same", "the larger bound of workers and processors", ratios(both)),
            row("ssh-spread", "the same", "this machine, 16 workers", ratios(others)),
        ]
    return rows


def children_cpu() -> float:
    """Processor time of everything that was started here and has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def big(mc: Path, runs: int | None, say) -> list[str]:
    """The second workspace of a repository of 100,000 files, made while one is used again."""
    place = Place(1)
    names = [f"unit-{n:05d}" for n in range(3)]
    needs = ["", *["depends = ['unit-00000']\n"] * 2]
    units = "".join(f"[[unit]]\nid = '{name}'\ntitle = '{name}'\n{need}" for name, need in zip(names, needs))
    job = Job(3, workers=2, files=100_000, verify="true", work_s=2)
    try:
        backend = place.servers[0].settings(2)
        place.play(mc, Job(1, workers=1, verify="true"), backend)
        pairs = []
        for _ in range(runs or 3):
            found = []
            for hosts in (backend, ""):
                mission = place.play(mc, job, hosts, units)
                found.append(max(unit.get("prepare", 0) for unit in mission.phases[1:]) / 1000)
            pairs.append((found[0], found[1]))
            say(f"ssh-big: second workspace {found[0]:.2f} : {found[1]:.2f} s")
    finally:
        place.close()
    return [row("ssh-big", "second workspace, 100,000 files", "this machine", ratios(pairs))]


def idle(mc: Path, runs: int | None, say) -> list[str]:
    """Processor time of the engine while sessions on hosts wait: 64 on two hosts over ssh, and one on each of 64 hosts behind a command."""
    rows = []
    for name, servers, count in (("64 sessions on 2 hosts over ssh", 2, 64), ("a session on each of 64 hosts behind a command", 0, 64)):
        place = Place(servers)
        try:
            backend = "".join(server.settings(count // servers, mc) for server in place.servers) if servers else ""
            backend = backend or behind_commands(mc, count, place.folder)
            command, source, env = place.start(mc, Job(count, work_s=150, verify="true"), backend)
            with (source.parent / "said").open("wb") as out:
                engine = subprocess.Popen(
                    command, cwd=source, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
                )
            wait_for_agents(source.parent, count)
            # Their output is looked at less and less often.
            time.sleep(40)
            before, began = ticks(engine.pid), time.monotonic()
            time.sleep(30)
            used, took = ticks(engine.pid) - before, time.monotonic() - began
            state = Path(f"/proc/{engine.pid}")
            files = len(list((state / "fd").iterdir()))
            facts = dict(line.split(":", 1) for line in (state / "status").read_text().splitlines())
            memory, threads = int(facts["VmRSS"].split()[0]) / 1024, int(facts["Threads"])
            what = f"{name}, for {took:.0f} s: {memory:.0f} MB, {files} open files, {threads} threads"
            rows.append(row("ssh-idle", what, "itself", "", f"{used} clock ticks"))
            say(f"ssh-idle: {name}: {used} ticks in {took:.0f} s, {memory:.0f} MB, {files} open files, {threads} threads")
            stop = [str(mc), "-C", str(source), "mission", "stop", "--now"]
            subprocess.run(stop, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            engine.wait(timeout=120)
        finally:
            place.close()
    return rows


def ticks(pid: int) -> int:
    """Processor time of one process, in clock ticks."""
    after = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(after[11]) + int(after[12])


def wait_for_agents(home: Path, count: int) -> None:
    """Until so many agents work in runs of this mission, and ten seconds more."""
    own, until = str(measure.built("agent")), time.monotonic() + 300
    while time.monotonic() < until:
        found = 0
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    found += os.readlink(entry / "exe") == own
                except OSError:
                    pass
        if found >= count:
            time.sleep(10)
            return
        time.sleep(0.2)
    raise SystemExit(f"not all agents start, see {home}")


JOBS = {"ssh-session": session, "ssh-spread": spread, "ssh-big": big, "ssh-idle": idle}
