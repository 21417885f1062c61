"""Takes over from victims while pids are reused all the time: ROUNDS, then the start."""

import subprocess
import sys
import threading
import time


def reuse_pids():
    while True:
        with open("/proc/sys/kernel/ns_last_pid", "w") as last:
            last.write("300")
        time.sleep(0.001)


threading.Thread(target=reuse_pids, daemon=True).start()
bystander = subprocess.Popen(["python3", "bystander.py"])
for n in range(int(sys.argv[1])):
    victim = subprocess.Popen(["python3", "victim.py"], stdout=subprocess.PIPE)
    victim.stdout.readline()
    action = ["--on-conflict", ["graceful", "force"][n % 2]]
    start = [*sys.argv[2:], *action, "run", "--", "python3", "victim.py"]
    guard = subprocess.Popen(start, stdout=subprocess.PIPE)
    assert guard.stdout.readline(), "it did not start"
    assert victim.wait() < 0
    # The guard ends its own tree.
    guard.terminate()
    guard.wait()
print("done", flush=True)
