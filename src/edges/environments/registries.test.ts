import fc from "fast-check";
import { expect, test } from "vitest";
import { foreignSource, npmrcOf } from "./npm.ts";
import { foreignIndex, pipConfiguration } from "./pip.ts";
import { planOf } from "./plan.ts";
import {
  concealer,
  credentialsOf,
  hostOf,
  npmHosts,
  parsePip,
  pipHosts,
  publicRegistries,
  type Registries,
} from "./registries.ts";
import { repositoryOf, someCommit } from "./repository.case.ts";

test("hosts as the jail's allow-list spells them", () => {
  const check = (address: string, host: string | undefined) => expect(hostOf(address)).toBe(host);
  check("https://a.example/x", "a.example:443");
  check("https://user:word@A.example:8443/x", "a.example:8443");
  check("http://a.example/", "http://a.example:80");
  check("http://127.0.0.1:4873/", "http://127.0.0.1:4873");
  check("a.example", "a.example:443");
  check("a.example:8443", "a.example:8443");
  check("git+ssh://git@a.example/x", undefined);
  check("file:///etc", undefined);
  check("", undefined);
});

const { npm, pip } = publicRegistries;
const mirror: Registries = {
  npm: { ...npm, registry: "https://mirror.example/npm/", scopes: { "@ours": "https://ours.example/" } },
  pip: {
    ...pip,
    indexes: ["https://user:verysecret@pip.example/simple", "file:///srv/index/simple"],
    links: ["/srv/wheels"],
  },
  allowed: ["extra.example"],
};

test("what may be reached is what is configured, and what config.toml adds", () => {
  expect(npmHosts(mirror)).toEqual(["mirror.example:443", "ours.example:443", "extra.example:443"]);
  expect(pipHosts(mirror)).toEqual(["pip.example:443", "extra.example:443"]);
  expect(pipHosts(publicRegistries)).toEqual(["pypi.org:443", "files.pythonhosted.org:443"]);
});

async function npmPlan(resolved: unknown, lock: object = {}) {
  const packages = { "": {}, "node_modules/tiny": { version: "1.0.0", resolved } };
  const files = { "package.json": "{}", "package-lock.json": JSON.stringify({ packages, ...lock }) };
  const planned = await planOf(repositoryOf(files), someCommit);
  if (planned.kind === "refused" || planned.plan.npm === undefined) throw new Error("it is a lockfile");
  return planned.plan.npm;
}

test("packages come from configured registries only", async () => {
  const check = async (resolved: unknown, why: RegExp | undefined) => {
    const said = foreignSource(await npmPlan(resolved), mirror);
    if (why === undefined) expect(said).toBeUndefined();
    else expect(said).toMatch(why);
  };
  await check(undefined, undefined);
  await check("https://mirror.example/npm/tiny/-/tiny-1.0.0.tgz", undefined);
  await check("https://ours.example/tiny.tgz", undefined);
  await check("https://extra.example/tiny.tgz", undefined);
  // npm itself asks the configured registry for these.
  await check("https://registry.npmjs.org/tiny/-/tiny-1.0.0.tgz", undefined);
  await check(
    "https://evil.example/tiny.tgz",
    /tiny comes from evil.example:443.*registries = \["evil.example:443"\]/,
  );
  await check("https://mirror.example:8443/tiny.tgz", /comes from mirror.example:8443/);
  await check("http://mirror.example/tiny.tgz", /comes from http:\/\/mirror.example:80/);
  await check("https://mirror.example.evil.example/tiny.tgz", /comes from mirror.example.evil.example:443/);
  await check("git+ssh://git@github.com/a/b.git#0", /does not come from a registry/);
});

test("a lockfile of version 1 is looked through to the bottom", async () => {
  const inner = { version: "1.0.0", resolved: "https://evil.example/inner.tgz" };
  const dependencies = { tiny: { version: "1.0.0", dependencies: { inner } } };
  expect(foreignSource(await npmPlan(undefined, { packages: undefined, dependencies }), mirror)).toMatch(
    /inner comes from evil.example/,
  );
});

test("npm's file carries registries, credentials and settings", async () => {
  const registries = {
    ...mirror,
    npm: { ...mirror.npm, credentials: ["//mirror.example/npm/:_authToken=abc"] },
  };
  expect(npmrcOf({ ...(await npmPlan(undefined)), settings: ["omit=dev"] }, registries)).toBe(
    "registry=https://mirror.example/npm/\n@ours:registry=https://ours.example/\n//mirror.example/npm/:_authToken=abc\nomit=dev\n",
  );
});

const variable = (name: string) => `$\{${name}}`;

test("only credentials of configured hosts are taken, with variables filled in", () => {
  const lines = [
    `//mirror.example/npm/:_authToken=${variable("TOKEN")}`,
    "//other.example/:_authToken=abcdefgh",
    "//mirror.example:8443/:_authToken=abcdefgh",
    '//mirror.example/npm/:_password="cGFzcw=="',
    "//mirror.example/npm/:certfile=/etc/x",
    `//mirror.example/npm/:username=${variable("MISSING")}`,
    "_authToken=abcdefgh",
  ];
  expect(credentialsOf(lines, ["mirror.example"], { TOKEN: "filled-in" })).toEqual([
    "//mirror.example/npm/:_authToken=filled-in",
    "//mirror.example/npm/:_password=cGFzcw==",
  ]);
});

test("no secret of the configuration comes through, in any common form", () => {
  const secret = fc.stringMatching(/^[A-Za-z0-9_+/-]{12,40}$/);
  fc.assert(
    fc.property(secret, secret, fc.string(), (token, password, around) => {
      const conceal = concealer({
        ...mirror,
        npm: {
          ...mirror.npm,
          credentials: [
            `//mirror.example/npm/:_authToken=${token}`,
            `//mirror.example/npm/:_auth=${Buffer.from(`me:${password}`).toString("base64")}`,
          ],
        },
      });
      for (const form of [
        token,
        password,
        `me:${password}`,
        Buffer.from(token).toString("base64"),
        "verysecret",
      ]) {
        expect(conceal(`${around} ${form} ${around}`)).not.toContain(form);
      }
      expect(conceal(`see https://me:pw@host/x`)).toBe("see https://[secret]@host/x");
    }),
  );
});

test("pip's configuration is read as pip prints it", () => {
  const text = [
    "global.index-url='https://a.example/simple'",
    ":env:.index-url='https://b.example/simple'",
    "global.extra-index-url='\\nhttps://c.example/simple\\nfile:///srv/simple'",
    "install.find-links='/ignored'",
    "global.find-links='/srv/wheels'",
    "global.cert='/etc/ssl/x.pem'",
  ].join("\n");
  expect(parsePip(text, {})).toEqual({
    indexes: ["https://b.example/simple", "https://c.example/simple", "file:///srv/simple"],
    links: ["/srv/wheels"],
    certificates: "/etc/ssl/x.pem",
  });
  expect(parsePip("", {})).toEqual(publicRegistries.pip);
});

test("pip's file names addresses, and shows the host's package folders", async () => {
  const planned = await planOf(
    repositoryOf({ "requirements.txt": "-i https://extra.example/simple\na\n" }),
    someCommit,
  );
  if (planned.kind === "refused" || planned.plan.pip === undefined) throw new Error("there are requirements");
  expect(foreignIndex(planned.plan.pip, mirror)).toBeUndefined();
  expect(foreignIndex(planned.plan.pip, publicRegistries)).toMatch(
    /asks for extra.example:443.*registries = \["extra/,
  );
  expect(pipConfiguration(planned.plan.pip, mirror)).toEqual({
    text: [
      ...["[global]", "index-url = https://user:verysecret@pip.example/simple", "extra-index-url ="],
      ...[
        "    file:///packages/0/simple",
        "    https://extra.example/simple",
        "find-links =",
        "    /packages/1",
        "",
      ],
    ].join("\n"),
    binds: [
      { host: "/srv/index", inside: "/packages/0", access: "read" },
      { host: "/srv/wheels", inside: "/packages/1", access: "read" },
    ],
  });
});
