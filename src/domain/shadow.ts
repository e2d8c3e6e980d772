/** New files of Python that stand in for a module of others: what `from fractions import Fraction` loads would be the change's own. */
/** Modules of the standard library without a leading underscore: the union of `sys.stdlib_module_names` of Python 3.9 to 3.14. */
const standard = new Set(
  "abc aifc annotationlib antigravity argparse array ast asynchat asyncio asyncore atexit audioop base64 bdb binascii binhex bisect builtins bz2 cProfile calendar cgi cgitb chunk cmath cmd code codecs codeop collections colorsys compileall compression concurrent configparser contextlib contextvars copy copyreg crypt csv ctypes curses dataclasses datetime dbm decimal difflib dis distutils doctest email encodings ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch formatter fractions ftplib functools gc genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib imghdr imp importlib inspect io ipaddress itertools json keyword lib2to3 linecache locale logging lzma mailbox mailcap marshal math mimetypes mmap modulefinder msilib msvcrt multiprocessing netrc nis nntplib nt ntpath nturl2path numbers opcode operator optparse os ossaudiodev parser pathlib pdb pickle pickletools pipes pkgutil platform plistlib poplib posix posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re readline reprlib resource rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site smtpd smtplib sndhdr socket socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct subprocess sunau symbol symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios textwrap this threading time timeit tkinter token tokenize tomllib trace traceback tracemalloc tty turtle turtledemo types typing unicodedata unittest urllib uu uuid venv warnings wave weakref webbrowser winreg winsound wsgiref xdrlib xml xmlrpc zipapp zipfile zipimport zlib zoneinfo".split(
    " ",
  ),
);

/**
 * Sentences about files that the change adds where Python looks first (the top, a folder of tests, and a folder above tests
 * whose tests import that name) and that have the name of a standard module. A file that the goal names is what the user wants.
 */
export function shadows(seen: {
  readonly diff: string;
  readonly tests: readonly { readonly path: string; readonly text: string }[];
  readonly goal: string;
}): readonly string[] {
  const folders = new Set(seen.tests.map(({ path }) => path.split("/").slice(0, -1).join("/")));
  const isFirst = (folder: string, name: string) =>
    folder === "" ||
    folders.has(folder) ||
    seen.tests.some(({ path, text }) => path.startsWith(`${folder}/`) && imports(text, name));
  return addedFiles(seen.diff).flatMap((path) => {
    const [, folder = "", name = ""] =
      /^(?:(.*)\/)?(\w+)\.py$/.exec(path.replace(/\/__init__\.py$/, ".py")) ?? [];
    const isShadow = standard.has(name) && isFirst(folder, name) && !seen.goal.includes(`${name}.py`);
    return isShadow
      ? [
          `${path}: a new file with the name of Python's own module ${name}: whoever imports that gets this one`,
        ]
      : [];
  });
}

function imports(text: string, name: string): boolean {
  return new RegExp(
    `^\\s*(?:from\\s+${name}\\b[\\w.]*\\s+import|import\\s+(?:[\\w., ]*\\s)?${name}\\b)`,
    "m",
  ).test(text);
}

function addedFiles(diff: string): readonly string[] {
  return [
    ...diff.matchAll(/^new file mode \d+\n(?:index .*\n)?--- \/dev\/null\n\+\+\+ "?b\/([^"\t\n]+)/gm),
  ].map(([, path = ""]) => path);
}
