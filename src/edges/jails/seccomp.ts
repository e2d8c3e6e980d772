/**
 * The system-call filter: a deny-list in classic BPF, as the kernel's seccomp reads it (struct sock_filter, little
 * endian). Made here in plain code, so no library is needed to make it.
 *
 * A deny-list is enough because the namespaces already confine everything else; what is named here either reaches
 * the kernel's less tested parts, crosses processes, or is not confined by namespaces.
 * The x86_64 table is exercised by real runs. The aarch64 table comes from the kernel's generic table and has been
 * checked with the interpreter of the test beside only: it has not been run on real hardware.
 */

export type Architecture = "x86_64" | "aarch64";

/** Node's name of a processor to ours; undefined where there is no filter and therefore no jail. */
export function architectureOf(nodeArchitecture: string): Architecture | undefined {
  if (nodeArchitecture === "x64") return "x86_64";
  if (nodeArchitecture === "arm64") return "aarch64";
  return undefined;
}

/** Calls with one number on every architecture (all since Linux 5.1). */
const unified = {
  io_uring_setup: 425,
  io_uring_enter: 426,
  io_uring_register: 427,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  fspick: 433,
  pidfd_getfd: 438,
  process_madvise: 440,
  mount_setattr: 442,
  quotactl_fd: 443,
  open_tree_attr: 467,
} as const;

/** Always EPERM. Numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h of Linux. */
const denied: Readonly<Record<Architecture, Readonly<Record<string, number>>>> = {
  x86_64: {
    ...unified,
    ptrace: 101,
    syslog: 103,
    personality: 135,
    vhangup: 153,
    pivot_root: 155,
    _sysctl: 156,
    adjtimex: 159,
    chroot: 161,
    acct: 163,
    settimeofday: 164,
    mount: 165,
    umount2: 166,
    swapon: 167,
    swapoff: 168,
    reboot: 169,
    iopl: 172,
    ioperm: 173,
    create_module: 174,
    init_module: 175,
    delete_module: 176,
    quotactl: 179,
    nfsservctl: 180,
    lookup_dcookie: 212,
    clock_settime: 227,
    kexec_load: 246,
    add_key: 248,
    request_key: 249,
    keyctl: 250,
    unshare: 272,
    perf_event_open: 298,
    fanotify_init: 300,
    name_to_handle_at: 303,
    open_by_handle_at: 304,
    clock_adjtime: 305,
    setns: 308,
    process_vm_readv: 310,
    process_vm_writev: 311,
    kcmp: 312,
    finit_module: 313,
    kexec_file_load: 320,
    bpf: 321,
    userfaultfd: 323,
  },
  aarch64: {
    ...unified,
    lookup_dcookie: 18,
    umount2: 39,
    mount: 40,
    pivot_root: 41,
    nfsservctl: 42,
    chroot: 51,
    vhangup: 58,
    quotactl: 60,
    acct: 89,
    personality: 92,
    unshare: 97,
    kexec_load: 104,
    init_module: 105,
    delete_module: 106,
    clock_settime: 112,
    syslog: 116,
    ptrace: 117,
    reboot: 142,
    settimeofday: 170,
    adjtimex: 171,
    add_key: 217,
    request_key: 218,
    keyctl: 219,
    swapon: 224,
    swapoff: 225,
    perf_event_open: 241,
    fanotify_init: 262,
    name_to_handle_at: 264,
    open_by_handle_at: 265,
    clock_adjtime: 266,
    setns: 268,
    process_vm_readv: 270,
    process_vm_writev: 271,
    kcmp: 272,
    finit_module: 273,
    bpf: 280,
    userfaultfd: 282,
    kexec_file_load: 294,
  },
};

/** Calls whose arguments decide. */
const examined = {
  x86_64: { clone: 56, clone3: 435, ioctl: 16, socket: 41, socketpair: 53 },
  aarch64: { clone: 220, clone3: 435, ioctl: 29, socket: 198, socketpair: 199 },
} as const;

/** AUDIT_ARCH_* of linux/audit.h. */
const auditArchitecture = { x86_64: 0xc000_003e, aarch64: 0xc000_00b7 } as const;

const load = 0x20; // BPF_LD | BPF_W | BPF_ABS
const jumpEqual = 0x15;
const jumpAtLeast = 0x35;
const jumpAnyBit = 0x45;
const give = 0x06; // BPF_RET | BPF_K

const offsetOfNumber = 0;
const offsetOfArchitecture = 4;
/** Low half of argument n in struct seccomp_data; both architectures are little endian. */
const offsetOfArgument = (index: number): number => 16 + 8 * index;

const kill = 0x8000_0000;
const allow = 0x7fff_0000;
const fail = (errno: number): number => 0x0005_0000 | errno;
const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const cloneNamespaces = 0x7e02_0000;
/** First bit of the numbers of the x32 calling convention, a second door to the same calls. */
const x32Bit = 0x4000_0000;
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
/** UNIX, INET, INET6, NETLINK. AF_VSOCK is not confined by network namespaces, so families are allowed by name. */
const families = [1, 2, 10, 16] as const;

interface Instruction {
  readonly code: number;
  /** How many instructions to skip when the test holds, and when not. */
  readonly yes: number;
  readonly no: number;
  readonly operand: number;
}

const step = (code: number, operand: number, yes = 0, no = 0): Instruction => ({ code, operand, yes, no });

/** The whole filter, eight bytes an instruction. */
export function filterOf(architecture: Architecture): Uint8Array {
  const calls = examined[architecture];
  return encode([
    step(load, offsetOfArchitecture),
    step(jumpEqual, auditArchitecture[architecture], 1, 0),
    step(give, kill),
    step(load, offsetOfNumber),
    ...(architecture === "x86_64" ? [step(jumpAtLeast, x32Bit, 0, 1), step(give, kill)] : []),
    ...Object.values(denied[architecture]).flatMap((number) => when(number, [step(give, fail(EPERM))])),
    // libc then falls back to clone, whose flags a filter can see.
    ...when(calls.clone3, [step(give, fail(ENOSYS))]),
    ...when(calls.clone, [
      step(load, offsetOfArgument(0)),
      step(jumpAnyBit, cloneNamespaces, 0, 1),
      step(give, fail(EPERM)),
      step(give, allow),
    ]),
    // Typing into the caller's terminal.
    ...when(calls.ioctl, [
      step(load, offsetOfArgument(1)),
      step(jumpEqual, TIOCSTI, 1, 0),
      step(jumpEqual, TIOCLINUX, 0, 1),
      step(give, fail(EPERM)),
      step(give, allow),
    ]),
    ...[calls.socket, calls.socketpair].flatMap((number) => when(number, onlyKnownFamilies())),
    step(give, allow),
  ]);
}

/** The names of the calls that always fail, for the tests and `doctor`. */
export function deniedCalls(architecture: Architecture): Readonly<Record<string, number>> {
  return denied[architecture];
}

/** `body` must end by giving a result, because it may load something other than the call's number. */
function when(number: number, body: readonly Instruction[]): readonly Instruction[] {
  return [step(jumpEqual, number, 0, body.length), ...body];
}

function onlyKnownFamilies(): readonly Instruction[] {
  const tests = families.map((family, index) => step(jumpEqual, family, families.length - index, 0));
  return [step(load, offsetOfArgument(0)), ...tests, step(give, fail(EAFNOSUPPORT)), step(give, allow)];
}

function encode(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(instructions.length * 8));
  instructions.forEach(({ code, yes, no, operand }, index) => {
    bytes.setUint16(index * 8, code, true);
    bytes.setUint8(index * 8 + 2, yes);
    bytes.setUint8(index * 8 + 3, no);
    bytes.setUint32(index * 8 + 4, operand >>> 0, true);
  });
  return new Uint8Array(bytes.buffer);
}
