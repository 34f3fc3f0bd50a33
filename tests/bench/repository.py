"""A generated git repository: so many small text files, the same bytes every time."""

import random
import subprocess
from pathlib import Path

FILE_BYTES = 1200


def make(folder: Path, files: int, env: dict[str, str]) -> None:
    """One commit on `main`, written as one pack and checked out; 40 files to a folder, two levels deep."""
    rnd = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(rnd.choice(letters) for _ in range(rnd.randint(2, 10))) for _ in range(2000)]
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True, env=env)
    importer = subprocess.Popen(["git", "fast-import", "--quiet", "--done"], cwd=folder, stdin=subprocess.PIPE, env=env)
    assert importer.stdin is not None
    write = importer.stdin.write
    write(b"commit refs/heads/main\ncommitter bench <bench@example.org> 1700000000 +0000\ndata 4\nbase\n")
    for i in range(files):
        lines, length = [f"// file {i}"], 0
        wanted = rnd.randint(FILE_BYTES // 2, FILE_BYTES * 3 // 2)
        while length < wanted:
            line = " ".join(rnd.choices(words, k=8))
            lines.append(line)
            length += len(line) + 1
        body = ("\n".join(lines) + "\n").encode()
        name = f"d{i // 1600:03d}/s{i // 40 % 40:02d}/f{i:07d}.txt"
        write(f"M 100644 inline {name}\ndata {len(body)}\n".encode() + body + b"\n")
    write(b"done\n")
    importer.stdin.close()
    if importer.wait() != 0:
        raise SystemExit("git fast-import failed")
    subprocess.run(["git", "checkout", "-q", "-f", "main"], cwd=folder, check=True, env=env)
