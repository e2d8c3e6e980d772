/**
 * The probes: one tiny attack each, as the body of a Python function that returns something true when it got through.
 * `P` holds the paths and numbers of the fixture. Numbers up to 53 are those of the list that the jail was designed by.
 */

/** What the same program does without a jail: it must get through, or the row says why that proves nothing here. */
export type Control = { readonly kind: "open" } | { readonly kind: "not-comparable"; readonly why: string };

export interface Probe {
  readonly name: string;
  readonly program: string;
  /** blocked, but for what is harmless in a jail of its own: then the reason is the row's second half. */
  readonly inJail: { readonly kind: "blocked" } | { readonly kind: "harmless"; readonly why: string };
  readonly bare: Control;
}

const open: Control = { kind: "open" };
const notComparable = (why: string): Control => ({ kind: "not-comparable", why });
const ordinary = notComparable("an ordinary user cannot do it bare either");
const dependsOnKernel = notComparable("bare it depends on the kernel's configuration");

const row = (name: string, program: string, bare: Control = open): Probe => ({
  name,
  program,
  bare,
  inJail: { kind: "blocked" },
});
const harmless = (name: string, why: string, program: string, bare: Control = open): Probe => ({
  name,
  program,
  bare,
  inJail: { kind: "harmless", why },
});

/** Those that can share one jail: each runs in a process of its own, none breaks a limit that ends the run. */
export const probes: readonly Probe[] = [
  row("1 read /etc/shadow", `return open("/etc/shadow").read()`, ordinary),
  row("2 read a private key", `return open(P["secret"]).read()`),
  row("3 a secret in its own environment", `return any(P["canary"] in v for v in os.environ.values())`),
  row(
    "4 a secret through /proc/*/environ",
    `return any(P["canary"] in text(f) for f in glob.glob("/proc/[0-9]*/environ"))`,
  ),
  row(
    "5 see processes of the host",
    `return any(P["marker"] in text(f) for f in glob.glob("/proc/[0-9]*/cmdline"))`,
  ),
  row(
    "6 ptrace",
    `
if os.fork() == 0: os._exit(7 if libc.ptrace(0, 0, 0, 0) == 0 else 0)
return os.waitstatus_to_exitcode(os.wait()[1]) == 7`,
  ),
  row(
    "7 signal a process of the host",
    `
os.kill(P["victim"], 0)
return P["marker"] in text(f"/proc/{P['victim']}/cmdline")`,
  ),
  row("8 write a world-writable file outside", `return open(P["world"], "a").write("x")`),
  row("9 write to a home", `return open(P["outside"] + "/planted", "w")`),
  row("9 write to /usr", `return open("/usr/planted", "w")`, ordinary),
  row(
    "10 write through a link out of the work folder",
    `
os.symlink(P["outside"], "door")
return open("door/planted", "w")`,
  ),
  row("11 hard link to a secret", `return os.link(P["secret"], "hard") is None`),
  row("12 plant a hook in a read-only part", `return open(".git/hooks/pre-commit", "w")`),
  row(
    "13 swap the read-only part",
    `
os.rename(".git", "elsewhere")
os.rename("elsewhere", ".git")
return True`,
  ),
  harmless(
    "14 nested repository with fsmonitor",
    "only a git that reads it is in danger: the host's never does",
    `
os.makedirs("nested/.git")
return open("nested/.git/config", "w").write("[core]\\n\\tfsmonitor = touch planted\\n")`,
  ),
  row(
    "15 TCP to a loopback service of the host",
    `return socket.create_connection(("127.0.0.1", P["port"]), 2)`,
  ),
  row(
    "16 a route to the internet (a connected UDP socket sends nothing)",
    `
return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("192.0.2.1", 53)) is None`,
    notComparable("the host may have no route itself"),
  ),
  row(
    "16 names of the internet",
    `return socket.gethostbyname("example.invalid.rigs.test")`,
    notComparable("no test may ask a name server"),
  ),
  row("17 a unix socket of the host", `return unix(P["socket"])`),
  row("18 an abstract unix socket of the host", `return unix("\\0" + P["abstract"])`),
  row("19 raw socket", `return socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)`, ordinary),
  row("19 packet socket", `return socket.socket(17, socket.SOCK_RAW, 3)`, ordinary),
  row("20 AF_VSOCK", `return socket.socket(40, socket.SOCK_STREAM)`, dependsOnKernel),
  row("21 AF_ALG", `return socket.socket(38, socket.SOCK_SEQPACKET)`, dependsOnKernel),
  row(
    "22 network interfaces of the host",
    `return len(socket.if_nameindex()) > 1`,
    notComparable("the host may have loopback only"),
  ),
  row("23 mount", `return libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0`, ordinary),
  row("24 a user namespace by unshare", `return libc.unshare(0x10000000) == 0`),
  row(
    "24 a user namespace by clone",
    `
pid = libc.syscall(NR["clone"], 0x10000000 | 17, 0, 0, 0, 0)
if pid == 0: os._exit(0)
return pid > 0`,
  ),
  row(
    "24 clone3, whose flags no filter sees",
    `
libc.syscall(NR["clone3"], 0, 0)
return ctypes.get_errno() != 38`,
  ),
  row("25 kernel settings", `return os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY)`, ordinary),
  row("26 sysrq", `return os.open("/proc/sysrq-trigger", os.O_WRONLY)`, ordinary),
  row("26 control groups", `return os.path.exists("/sys/fs/cgroup")`),
  row("26 mknod", `return os.mknod(P["temporary"] + "/disk", 0o60600, os.makedev(8, 0)) is None`, ordinary),
  row(
    "27 device nodes",
    `
extra = set(os.listdir("/dev")) - set("null zero full random urandom tty shm pts ptmx fd stdin stdout stderr core console".split())
return extra`,
  ),
  row("28 privileges of setuid programs", `return "NoNewPrivs:\\t0" in text("/proc/self/status")`),
  row("29 capabilities", `return "CapEff:\\t0000000000000000" not in text("/proc/self/status")`, ordinary),
  row("29 root in its own eyes", `return os.getuid() == 0`, ordinary),
  row("30 keyrings", `return libc.syscall(NR["keyctl"], 0, -3, 1) > 0`),
  row(
    "31 io_uring",
    `return libc.syscall(NR["io_uring_setup"], 1, ctypes.create_string_buffer(120)) >= 0`,
    dependsOnKernel,
  ),
  row(
    "32 bpf",
    `return libc.syscall(NR["bpf"], 0, ctypes.create_string_buffer(b"\\2\\0\\0\\0\\4\\0\\0\\0\\4\\0\\0\\0\\1", 72), 72) >= 0`,
    dependsOnKernel,
  ),
  row(
    "32 perf events",
    `return libc.syscall(NR["perf_event_open"], ctypes.create_string_buffer(b"\\1\\0\\0\\0\\200", 128), 0, -1, -1, 0) >= 0`,
    dependsOnKernel,
  ),
  row("33 userfaultfd", `return libc.syscall(NR["userfaultfd"], 1) >= 0`, dependsOnKernel),
  row(
    "34 set the clock",
    `return time.clock_settime(time.CLOCK_REALTIME, time.time()) is None`,
    notComparable("it would set the clock"),
  ),
  row(
    "35 type into a terminal",
    `
os.setsid()
leader, follower = pty.openpty()
fcntl.ioctl(follower, termios.TIOCSCTTY, 0)
return fcntl.ioctl(follower, termios.TIOCSTI, b"x") is not None`,
    dependsOnKernel,
  ),
  row("35 the caller's terminal", `return open("/dev/tty")`, notComparable("the tests may have none")),
  row(
    "39 fork 50 times, 40 allowed",
    `
children = []
try:
    for _ in range(50):
        pid = os.fork()
        if pid == 0:
            time.sleep(30)
            os._exit(0)
        children.append(pid)
finally:
    for pid in children: os.kill(pid, 9)
    for pid in children: os.waitpid(pid, 0)
return len(children) == 50`,
  ),
  row("41 fill the temporary folder", `return fill(P["temporary"] + "/big", 40)`),
  row("42 fill shared memory", `return fill("/dev/shm/rigs-probe-big", 20)`),
  row("43 fill the root", `return fill("/big", 1)`, ordinary),
  row("43 fill /dev", `return fill("/dev/big", 1)`, ordinary),
  row(
    "43 fill /etc and /run",
    `return any(attempt(fill, folder + "/big", 1) for folder in ("/etc", "/run", "/run/rigs"))`,
    ordinary,
  ),
  row("44 one file above its bound", `return fill("big", 65)`),
  row("46 400 descriptors, 256 allowed", `return [os.open("/dev/null", 0) for _ in range(400)]`),
  row("47 inherited descriptors", `return inherited`),
  row(
    "47 descriptors of process 1",
    `
return [link for link in (os.readlink(f) for f in glob.glob("/proc/1/fd/*")) if link.startswith("/") and link != "/dev/null"]`,
    ordinary,
  ),
  row(
    "50 variables that load code",
    `return [v for v in ("LD_PRELOAD", "NODE_OPTIONS", "PYTHONPATH", "BASH_ENV", "ENV") if v in os.environ]`,
  ),
  row("51 overwrite interpreters", `return os.open("/usr/bin/env", os.O_WRONLY)`, ordinary),
  row(
    "52 facts about the host",
    `return [p for p in ("/etc/machine-id", "/etc/hostname", "/var/lib/dpkg", "/var/log", "/etc/resolv.conf", "/sys") if os.path.exists(p)]`,
  ),
  row("52 the host's name", `return os.uname().nodename != "rig"`),
  harmless(
    "53 run a file from memory",
    "it stays in the same jail",
    `
shutil.copyfileobj(open("/usr/bin/true", "rb"), os.fdopen(fd := os.memfd_create("x"), "wb", closefd=False))
return subprocess.call([f"/proc/self/fd/{fd}"], pass_fds=[fd]) == 0`,
  ),
  row(
    "54 zip bomb",
    `
with zipfile.ZipFile(P["temporary"] + "/bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb: bomb.writestr("big", bytes(40 << 20))
try: zipfile.ZipFile(P["temporary"] + "/bomb.zip").extractall(P["temporary"])
finally: remove(P["temporary"] + "/big", P["temporary"] + "/bomb.zip")
return True`,
  ),
  row("55 change the tests that judge it", `return open(P["tests"] + "/test_it.py", "a").write("x")`),
  row("55 plant a conftest.py beside them", `return open(P["tests"] + "/conftest.py", "w")`),
  harmless(
    "56 file names with line feeds and escapes",
    "the host never prints a name raw",
    `
return open("a\\nb\\x1b[31m\\xff", "w")`,
  ),
  harmless(
    "57 memory of process 1",
    "it is confined alike (next row): all it can lie about is the exit code, which is the job's to choose anyway",
    `return os.open("/proc/1/mem", os.O_RDWR)`,
    ordinary,
  ),
  row(
    "57 process 1 is confined less",
    `
def confined(pid): return [line for line in text(f"/proc/{pid}/status").split("\\n") if line.startswith(("Cap", "Seccomp:", "NoNewPrivs", "Uid", "Gid"))]
return confined(1) != confined("self")`,
    notComparable("bare, process 1 is the host's"),
  ),
  row("57 memory of another process", `return libc.process_vm_readv(os.getppid(), None, 0, None, 0, 0) == 0`),
  row("58 personality, to switch off address randomisation", `return libc.personality(0x0040000) >= 0`),
  row(
    "59 a way to the proxy when there is none",
    `return os.path.exists("/run/rigs")`,
    notComparable("there is no proxy bare"),
  ),
  row("60 chroot", `return libc.chroot(b"/tmp") == 0`, ordinary),
  row(
    "61 open a file by its handle",
    `
handle, mount = ctypes.create_string_buffer(b"\\x80\\0\\0\\0", 136), ctypes.c_int()
return libc.name_to_handle_at(-100, b"/usr", handle, ctypes.byref(mount), 0) == 0`,
  ),
];

/** Runs each probe in a process of its own and prints one line of JSON: what got through, and what stopped the rest. */
export const runner = `
import ctypes, fcntl, glob, json, os, platform, pty, shutil, signal, socket, subprocess, sys, termios, time, zipfile
inherited = [fd for fd in os.listdir("/proc/self/fd") if int(fd) > 2 and os.path.exists("/proc/self/fd/" + fd)]
P, probes = json.load(open(sys.argv[1]))
libc = ctypes.CDLL(None, use_errno=True)
NR = {
    "x86_64": dict(clone=56, clone3=435, keyctl=250, io_uring_setup=425, bpf=321, perf_event_open=298, userfaultfd=323),
    "aarch64": dict(clone=220, clone3=435, keyctl=219, io_uring_setup=425, bpf=280, perf_event_open=241, userfaultfd=282),
}[platform.machine()]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def text(path):
    try: return open(path, errors="replace").read()
    except OSError: return ""
def unix(name):
    with socket.socket(socket.AF_UNIX) as it: return it.connect(name) is None
def remove(*paths):
    for path in paths:
        if os.path.exists(path): os.remove(path)
def attempt(body, *words):
    try: return body(*words)
    except Exception: return False
def fill(path, mebibytes):
    try:
        with open(path, "wb", buffering=0) as file:
            for _ in range(mebibytes):
                if file.write(bytes(1 << 20)) < 1 << 20: return False
        return True
    finally: remove(path)
said = {}
for name, body in probes:
    out, into = os.pipe()
    if os.fork() == 0:
        signal.alarm(10)
        scope = dict(globals())
        try:
            exec("def attack():\\n" + "".join("    " + line + "\\n" for line in body.strip().split("\\n")), scope)
            os.write(into, b"open" if scope["attack"]() else b"blocked: it returned nothing")
        except BaseException as error: os.write(into, f"blocked: {type(error).__name__}: {error}"[:500].encode())
        finally: os._exit(0)
    os.close(into)
    said[name] = os.read(out, 600).decode() or "blocked: killed"
    os.close(out)
    os.wait()
print(json.dumps(said))
`;
