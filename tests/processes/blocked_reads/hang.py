"""Starts processes whose command lines block every reader: each holds the lock of its memory while
it replaces a page of a file system that never answers a write.

Usage: hang.py USER COUNT [COMMAND...]. COMMAND becomes a child of each. Prints the number of the
file system, which ends the hanging when it is aborted, and the pids."""
import ctypes, mmap, os, signal, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]

def attributes(node):
    mode = 0o40755 if node == 1 else 0o100666
    return struct.pack("<6Q10I", node, 4096, 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

def serve(fuse):
    while True:
        request = os.read(fuse, 1 << 18)
        _, operation, unique, node = struct.unpack_from("<IIQQ", request)
        if operation == 26:  # INIT
            answer = struct.pack("<4I2H4I", 7, 31, 1 << 16, 0, 12, 10, 1 << 16, 1, 0, 0)
            answer = answer.ljust(64, b"\0")
        elif operation == 1:  # LOOKUP
            answer = struct.pack("<4Q2I", 2, 0, 3600, 3600, 0, 0) + attributes(2)
        elif operation == 3:  # GETATTR
            answer = struct.pack("<Q2I", 3600, 0, 0) + attributes(node)
        elif operation == 14:  # OPEN
            answer = struct.pack("<Q2I", 0, 0, 0)
        elif operation == 15:  # READ
            answer = bytes(4096)
        elif operation == 16:  # WRITE
            continue
        else:
            answer = None
        if answer is None:
            os.write(fuse, struct.pack("<IiQ", 16, -38, unique))
        else:
            os.write(fuse, struct.pack("<IiQ", 16 + len(answer), 0, unique) + answer)

os.makedirs("hang", exist_ok=True)
fuse = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0,allow_other"
assert libc.mount(b"hang", b"hang", b"fuse", 0, options.encode()) == 0
threading.Thread(target=serve, args=[fuse], daemon=True).start()

def hang(user, command):
    if command and os.fork() == 0:
        os.execvp(command[0], command)
    file = os.open("hang/page", os.O_RDWR)
    os.close(fuse)
    if user:
        os.setuid(user)
    page = libc.mmap(None, 4096, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, file, 0)
    ctypes.memset(page, 1, 1)
    libc.mmap(page, 4096, mmap.PROT_READ, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x10, -1, 0)

user, many, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
children = []
for _ in range(many):
    child = os.fork()
    if child == 0:
        hang(user, command)
        os._exit(1)
    children.append(child)
for child in children:
    while open(f"/proc/{child}/stat").read().rsplit(")", 1)[1].split()[0] != "D":
        time.sleep(0.01)
print(os.minor(os.stat("hang").st_dev), *children, flush=True)
signal.pause()
