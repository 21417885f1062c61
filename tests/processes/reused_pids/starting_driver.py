"""Takes over from a bot that starts a program with a reused pid at its end: prints the result."""

import subprocess
import sys
import threading

other = subprocess.Popen(["sleep", "60"])
threading.Thread(target=other.wait, daemon=True).start()
# Pids are assigned up to the largest one, and then from the smallest again.
with open("/proc/sys/kernel/ns_last_pid", "w") as last:
    last.write("5000")
bot = ["python3", "victim.py", str(other.pid)]
victim = subprocess.Popen(bot, stdout=subprocess.PIPE, start_new_session=True)
victim.stdout.readline()
start = [*sys.argv[1:], "--on-conflict", "graceful", "run", "--", *bot]
guard = subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
threading.Thread(target=victim.wait, daemon=True).start()
if guard.stdout.readline():
    guard.kill()
    sys.exit("it started beside the program")
messages = guard.stderr.read()
assert guard.wait() != 0, messages
assert victim.returncode == 0, f"no program got the pid: {messages}"
assert f"refused: pid {other.pid} began" in messages, messages
print("refused", flush=True)
