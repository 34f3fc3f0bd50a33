"""One measured run of a system on a job: `mc`, or the floor (floor.c) in one of its modes."""

import ctypes
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import repository

HERE = Path(__file__).resolve().parent
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Job:
    """N independent units done by P agents at a time; an agent takes A seconds, then commits one new file."""

    units: int
    workers: int = 4
    work_s: float = 0.0
    verify: str = "sleep 0.2"
    files: int = 2000
    log_kb: int = 0
    chain: int = 0
    """Longest chain of units that need each other; 0: none do."""


@dataclass
class Run:
    """What one run took."""

    wall_s: float
    cpu_s: float
    agents_cpu_s: float
    peak_kb: int
    merged: int
    verifications: int
    problem: str = ""
    extra: dict = field(default_factory=dict)

    @property
    def own_cpu_s(self) -> float:
        """Processor time of everything but the agents' own work."""
        return self.cpu_s - self.agents_cpu_s


def place() -> Path:
    """Where everything is made: $BENCH_DIR, else memory. Disks of test machines measure themselves."""
    shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()
    folder = Path(os.environ.get("BENCH_DIR") or f"{shm}/mc-bench-{os.getuid()}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def built(name: str) -> Path:
    """A C program of this folder, compiled when it is older than its source."""
    source, program = HERE / f"{name}.c", place() / "bin" / name
    program.parent.mkdir(exist_ok=True)
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["cc", "-O2", "-o", str(program), str(source)], check=True)
    return program


def environment(home: Path) -> dict[str, str]:
    """Nothing of the caller's settings but the path."""
    config = home / "gitconfig"
    config.write_text("[user]\n\tname = bench\n\temail = bench@example.org\n[init]\n\tdefaultBranch = main\n")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_CONFIG_NOSYSTEM": "1",
    }


def template(files: int) -> Path:
    """The repository of that size, made once and copied for each run."""
    folder = place() / f"repository-{files}"
    if not folder.exists():
        draft = place() / f"repository-{files}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        repository.make(draft, files, environment(place()))
        draft.rename(folder)
    return folder


def run(system: str, mc: Path, job: Job, keep: bool = False) -> Run:
    """Runs `mc` or `floor-end|each|batch` on a fresh copy of the job's repository."""
    home = Path(tempfile.mkdtemp(prefix="run-", dir=place()))
    source = home / "source"
    subprocess.run(["cp", "-a", str(template(job.files)), str(source)], check=True)
    agent, log = built("agent"), home / "verified"
    env = environment(home) | {
        "BENCH_WORK_S": str(job.work_s),
        "BENCH_LOG_KB": str(job.log_kb),
        "BENCH_EVENTS": str(home / "events"),
    }
    # The copy has other times: settled before, as the user's own index would be.
    subprocess.run(["git", "update-index", "-q", "--refresh"], cwd=source, env=env, check=False)
    verify = f"echo x >> {log}; {job.verify}"
    if system == "mc":
        branch = "mc/green"
        command = mission(home, source, agent, verify, job, mc)
        env["MC_STATE_DIR"] = str(home / "state")
        # `pipe`: behind a worker on this machine.
        env |= {name: os.environ[name] for name in ["MC_TEST_HOST"] if name in os.environ}
    else:
        branch = "main"
        words = [str(job.workers), system.removeprefix("floor-"), verify, str(job.units), str(agent)]
        command = [str(built("floor")), str(source), branch, *words]
    wall, cpu, peak, code = timed(command, source, env, home / "said")
    listed = subprocess.run(
        ["git", "ls-tree", "--name-only", branch, "units/"], cwd=source, env=env, capture_output=True, text=True
    )
    merged = len(listed.stdout.splitlines())
    problem = "" if code == 0 and merged == job.units else f"exit {code}, {merged} of {job.units} merged, see {home}"
    events = home / "events"
    agents = sum(int(line.split()[3]) for line in events.read_text().splitlines()) / 1e6 if events.exists() else 0.0
    runs = len(log.read_text().splitlines()) if log.exists() else 0
    if not keep and not problem:
        shutil.rmtree(home, ignore_errors=True)
    return Run(wall, cpu, agents, peak, merged, runs, problem, {"home": str(home)} if keep else {})


def mission(home: Path, source: Path, agent: Path, verify: str, job: Job, mc: Path) -> list[str]:
    """Writes settings and plan; the settings stay outside the repository."""
    settings = home / "mission-control.toml"
    settings.write_text(
        f"[target]\npath = '{source}'\nobjective = 'bench'\n[target.verification]\ncommand = '''{verify}'''\n"
        f"[agent]\ncommand = '''{agent}'''\nenv = ['BENCH_WORK_S', 'BENCH_LOG_KB', 'BENCH_EVENTS', "
        "'GIT_CONFIG_GLOBAL', 'GIT_CONFIG_NOSYSTEM']\n"
        f"[scheduler.parallel]\nnum_workers = {job.workers}\n"
        f"[sandbox]\nmode = '{os.environ.get('BENCH_SANDBOX', 'auto')}'\nshared = ['{home}']\n"
    )
    units = []
    for n in range(job.units):
        needs = f"depends = ['unit-{n - 1:05d}']\n" if job.chain and n % job.chain else ""
        units.append(f"[[unit]]\nid = 'unit-{n:05d}'\ntitle = 'unit-{n:05d}'\n{needs}")
    plan = home / "plan.toml"
    plan.write_text("".join(units))
    return [str(mc), "--config", str(settings), "mission", "start", "--plan", str(plan)]


def timed(
    command: list[str], folder: Path, env: dict[str, str], said: Path, patience: float = 10
) -> tuple[float, float, int, int]:
    """Wall time, processor time of the whole tree, peak memory of the program itself in kB, exit code.

    Orphans become ours and are waited for up to `patience` seconds, so that what a program leaves to others to reap is counted too.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with said.open("wb") as out:
        began = time.monotonic()
        child = subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    peak = [0]
    ended = threading.Event()
    watcher = threading.Thread(target=watch, args=(child.pid, peak, ended), daemon=True)
    watcher.start()
    _, status = os.waitpid(child.pid, 0)
    wall = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    ended.set()
    watcher.join()
    late = time.monotonic() + patience
    while time.monotonic() < late:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.005)
        except ChildProcessError:
            break
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, peak[0], child.returncode


def watch(pid: int, peak: list[int], ended: threading.Event) -> None:
    """Looks at the peak memory of one process until it has ended."""
    while not ended.wait(0.05):
        try:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peak[0] = max(peak[0], int(line.split()[1]))
        except OSError:
            return


def interrupt_quietly() -> None:
    """Ctrl-C ends the benchmark without a trace of Python."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
