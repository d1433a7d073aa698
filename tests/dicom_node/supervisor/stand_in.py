"""A small process for trees: stand_in.py FOLDER NAME WAY, which writes down what happens to it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

folder, name, way = Path(sys.argv[1]), sys.argv[2], sys.argv[3]


def note(what: str) -> None:
    with (folder / "story").open("a") as story:
        story.write(f"{what} {name} {os.getpid()} {time.monotonic()}\n")


def stop(*_: object) -> None:
    note("stop")
    if way != "stubborn":
        sys.exit(0)


note("start")
signal.signal(signal.SIGTERM, stop)
if way == "broken" or (folder / f"{name}.broken").exists():
    sys.exit(3)
if way == "slow":
    time.sleep(0.4)
if way == "parent":
    child = subprocess.Popen(["sleep", "600"])
    (folder / "grandchild").write_text(str(child.pid))
if way != "silent":
    part = folder / f"{name}.part"
    started = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    said = {
        "process": name,
        "pid": os.getpid(),
        "port": int(os.environ.get("PORT", "4711")),
        "started": started,
    }
    part.write_text(json.dumps(said))
    note("ready")
    part.replace(folder / f"{name}.ready.json")
while True:
    signal.pause()
