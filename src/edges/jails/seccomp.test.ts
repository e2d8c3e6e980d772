import { expect, test } from "vitest";
import { type Architecture, architectureOf, deniedCalls, filterOf } from "./seccomp.ts";

const KILL = 0x8000_0000;
const ALLOW = 0x7fff_0000;
const errno = (number: number) => 0x0005_0000 | number;
const audit = { x86_64: 0xc000_003e, aarch64: 0xc000_00b7 } as const;
const numbers = {
  x86_64: { read: 0, ioctl: 16, socket: 41, socketpair: 53, clone: 56, execve: 59, clone3: 435 },
  aarch64: { read: 63, ioctl: 29, socket: 198, socketpair: 199, clone: 220, execve: 221, clone3: 435 },
} as const;

/** Just enough of classic BPF to run the filter; anything else in it is an error. */
function interpret(program: Uint8Array, data: DataView): number {
  const code = new DataView(program.buffer);
  let register = 0;
  for (let at = 0; at < program.length / 8; at++) {
    const operand = code.getUint32(at * 8 + 4, true);
    const jump = (holds: boolean) => {
      at += code.getUint8(at * 8 + (holds ? 2 : 3));
    };
    switch (code.getUint16(at * 8, true)) {
      case 0x20:
        register = data.getUint32(operand, true);
        break;
      case 0x15:
        jump(register === operand);
        break;
      case 0x35:
        jump(register >= operand);
        break;
      case 0x45:
        jump((register & operand) !== 0);
        break;
      case 0x06:
        return operand;
      default:
        throw new Error(`unknown instruction at ${at}`);
    }
  }
  throw new Error("the program ran off its end");
}

function ask(
  architecture: Architecture,
  number: number,
  words: readonly number[] = [],
  claimed = audit[architecture],
) {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, claimed, true);
  words.forEach((word, index) => {
    data.setUint32(16 + 8 * index, word >>> 0, true);
  });
  return interpret(filterOf(architecture), data);
}

const both: readonly Architecture[] = ["x86_64", "aarch64"];

test.each(both)("%s: ordinary calls pass", (architecture) => {
  const { read, execve } = numbers[architecture];
  expect([ask(architecture, read), ask(architecture, execve), ask(architecture, 449)]).toEqual([
    ALLOW,
    ALLOW,
    ALLOW,
  ]);
});

test.each(both)("%s: every named call fails with EPERM, none kills", (architecture) => {
  const calls = Object.entries(deniedCalls(architecture));
  expect(calls.length).toBeGreaterThan(45);
  for (const [name, number] of calls) expect([name, ask(architecture, number)]).toEqual([name, errno(1)]);
});

test("both tables deny the same calls but for those only x86_64 has", () => {
  const onlyX86 = ["_sysctl", "create_module", "ioperm", "iopl"];
  const names = Object.keys(deniedCalls("x86_64")).filter((name) => !onlyX86.includes(name));
  expect(Object.keys(deniedCalls("aarch64")).sort()).toEqual(names.sort());
});

test.each(both)("%s: another architecture is killed", (architecture) => {
  const i386 = 0x4000_0003;
  const other = architecture === "x86_64" ? audit.aarch64 : audit.x86_64;
  expect(ask(architecture, 1, [], i386 as never)).toBe(KILL);
  expect(ask(architecture, 1, [], other as never)).toBe(KILL);
});

test("x86_64: the x32 convention is killed", () => {
  expect(ask("x86_64", 0x4000_0000)).toBe(KILL);
  expect(ask("x86_64", 0x4000_0000 + 101)).toBe(KILL);
});

test.each(both)(
  "%s: clone makes threads and processes but no namespace; clone3 does not exist",
  (architecture) => {
    const { clone, clone3 } = numbers[architecture];
    expect(ask(architecture, clone3)).toBe(errno(38));
    expect(ask(architecture, clone, [0x003d_0f00])).toBe(ALLOW);
    expect(ask(architecture, clone, [0x11])).toBe(ALLOW);
    for (const bit of [17, 25, 26, 27, 28, 29, 30])
      expect([bit, ask(architecture, clone, [(1 << bit) | 0x11])]).toEqual([bit, errno(1)]);
  },
);

test.each(both)("%s: no typing into a terminal", (architecture) => {
  const { ioctl } = numbers[architecture];
  const check = (request: number, result: number) =>
    expect([request, ask(architecture, ioctl, [0, request])]).toEqual([request, result]);
  check(0x5412, errno(1));
  check(0x541c, errno(1));
  check(0x5413, ALLOW);
  check(0x5401, ALLOW);
});

test.each(both)("%s: only local, internet and netlink sockets", (architecture) => {
  const { socket, socketpair } = numbers[architecture];
  for (let family = 0; family < 64; family++)
    for (const call of [socket, socketpair])
      expect([family, ask(architecture, call, [family])]).toEqual([
        family,
        [1, 2, 10, 16].includes(family) ? ALLOW : errno(97),
      ]);
});

test("a processor without a table has no filter", () => {
  expect([architectureOf("x64"), architectureOf("arm64"), architectureOf("riscv64")]).toEqual([
    "x86_64",
    "aarch64",
    undefined,
  ]);
});
