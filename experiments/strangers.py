# ruff: noqa: E501 - commands stand as they are typed
"""What strangers found, tried again: the command of each kind and finding, what it gave then, what it gives now.

    python experiments/strangers.py [NUMBER ...]

Every row is a shell script that runs in a fresh folder with the files of tests/cases in it; `evonum` is the
one of this Python. Of what it prints, the part that a row's pattern shows is `now`; without it, or with a
traceback, the row is wrong. Prints a Markdown table; exit code 1 if a row is wrong.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

CASES = Path(__file__).parents[1] / "tests" / "cases"
LIMIT_S = 400.0
"""Of a row, on a machine with other work."""


class Row(NamedTuple):
    """One finding.

    Attributes:
        number: K1 to K12 are the kinds, F1 to F16 the findings.
        script: what is run, in bash.
        before: what it gave when it was found.
        shows: the pattern that has to be in the output; its groups are what is shown.
    """

    number: str
    script: str
    before: str
    shows: str


SEARCH = "--workers serial --islands 1 --no-record"
TERMINAL = """python -c "
import fcntl, os, pty, re, struct, termios
text = b''
pid, end = pty.fork()
if not pid:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 40, 0, 0))
    del os.environ['COLUMNS']
    os.execvp('evonum', 'evonum {}'.split())
try:
    while some := os.read(end, 4096):
        text += some
except OSError:
    os.waitpid(pid, 0)
print(re.sub('\\x1b[^a-zA-Z]*[a-zA-Z]', '', text.decode()))
" """
"""An evonum command in a terminal of 40 columns."""
ROWS = (
    Row("K1", "evonum verify and.fpcore", "9.6707e-3 on (0, 1)", r"given +(6\.8377e-05)"),
    Row("K2", "evonum verify half.fpcore", "2.6788", r"given +(3\.2332e-01)"),
    Row("K3", "evonum verify two.fpcore", "one core", r"given +(3\.4633e-03)(?s:.*)given +(5\.9399e-01)"),
    Row("K3", "evonum verify identity.fpcore", "refused", r"given +(1\.8840e-01)"),
    Row("K4", "evonum verify acos.txt", "no finite error", r"given +(3\.3086e-01 +3\.3115e-01)"),
    Row("K4", "evonum verify sinpix.txt", "no finite error", r"given +(1\.2500e-01 +1\.25\d\de-01)"),
    Row(
        "K4",
        'evonum search "acos(x)" --interval 0 1 --metric absolute --ops "+ - * / sqrt" --time 10s --max-ops 6 '
        f"{SEARCH} --out s; evonum verify s > v; echo verify $?; evonum export s --to c --all > f.c; echo export $?",
        "verify fails, export refused",
        r"(verify 0)\n(export 0)",
    ),
    Row(
        "K5",
        f"evonum search sin --interval 0 pi --max-ops 7 --time 20s {SEARCH}",
        "1.0 at every size",
        r"│  (7 │ 2\.082\de-06)",
    ),
    Row(
        "K5",
        f"evonum search tan --interval 0 pi/2 --max-ops 5 --time 10s --seed 0 {SEARCH}",
        "3 ops 1.0",
        r"│  (3 │ 1\.0462e-01)",
    ),
    Row("K6", "evonum verify log_dec.txt", "unproved", r"given +(4\.2292e-01 +4\.23\d\de-01)"),
    Row("K6", "evonum verify root.txt", "9.2972e-3", r"given +(3\.1818e-01 +3\.18\d\de-01)"),
    Row(
        "K7",
        f'evonum search "sqrt(x)" --interval 1e-5 1e5 --ops "+ - * /" --max-ops 9 --time 10s {SEARCH} --out s;'
        " evonum verify s > v; echo verify $?",
        "3 ops 0.987, refuted",
        r"│  (3 │ 8\.97\d\de-01)(?s:.*)(verify 0)",
    ),
    Row("K8", "evonum verify cephes_sinf_sym.txt", "refused", r"given +(3\.7963e-09)"),
    Row("K8", "evonum verify musl_expm1f_sym.txt", "refused", r"given +(6\.6951e-10)"),
    Row(
        "K9",
        'for f in "log1p(x)" "x*sigmoid(x)" "abs(x-0.5)" "-x*log(x)" "+expm1(x)" "asinh(x)" "max(x,1/2)"; do'
        f' evonum search "$f" --metric absolute --max-ops 2 --generations 2 {SEARCH} > o || cat o;'
        ' echo "$?"; done | sort | uniq -c',
        "unknown name; no such option",
        r"^ *(7 0)$",
    ),
    Row(
        "K10",
        'SECONDS=0; timeout 300 evonum search "bessel_i(0, x)" --interval 0 24 --max-ops 4 --time 5s'
        f" {SEARCH} > o; echo exit $? after $SECONDS s",
        "minutes of silence",
        r"(exit 0 after \d+ s)",
    ),
    Row("K11", "evonum verify hex.txt", "refused", r"given +(6\.00\d*e-02|5\.99\d*e-02)"),
    Row("K12", "evonum verify inner_pole.txt", "inf", r"(no finite value at x = 0)"),
    Row(
        "K12",
        "evonum search 'x*tanh(log(1+exp(x)))' --interval -8 8 --metric absolute --max-ops 8 --time 10s --no-record --islands 1 --workers serial"
        " --out s > o; echo search $?; evonum verify s > v; echo verify $?",
        "verify fails",
        r"(search 0\nverify 0)",
    ),
    Row(
        "F1",
        f"evonum search log --interval 1 2 --metric relative --max-ops 5 --time 10s {SEARCH} --out s;"
        " evonum verify s > v; echo verify $?",
        "3 ops 3.9e-2, unproved",
        r"│  (3 │ 4\.\d+e-03 │ \S+)(?s:.*)(verify 0)",
    ),
    Row(
        "F1",
        f'evonum search sin --interval 0 pi --ops "* + - fma" --max-ops 5 --time 10s {SEARCH} --out s;'
        " evonum verify s > v; echo verify $?",
        "0.611 for an infinite error",
        r"(verify 0)",
    ),
    Row(
        "F2",
        f'evonum search sin --interval -pi pi --metric absolute --ops "* + fma" --max-ops 6 --time 10s {SEARCH}'
        " --out s; evonum export s --ops 6 --to c --dtype float32 | head -40",
        "4.4541e-07 at 992 inputs",
        r"(?i)((?:all|every)[^\n]*float32[^\n]*|float32[^\n]*(?:all|every)[^\n]*)",
    ),
    Row(
        "F4",
        "cat > u.py <<'P'\nimport ray, evo\nray.init('local', num_cpus=2, log_to_driver=False)\n"
        "evo.search('exp2', max_ops=3, time='3s', islands=1, out='s')\n"
        "print('caller\\'s Ray:', 'alive' if ray.is_initialized() else 'ended')\nP\n"
        "python u.py; test -e mlflow.db && echo recorded; evonum export s --ops 3 --to c | grep -i 'found'",
        "Ray ended, not recorded, found by unknown",
        r"(caller's Ray: alive)\n(recorded)\n.*([Ff]ound (?:by|in) (?!unknown).*)",
    ),
    Row(
        "F5",
        "for a in auto 127.0.0.1:1; do SECONDS=0; RAY_ADDRESS=127.0.0.1:1 evonum search exp2 --address $a"
        ' --no-record 2>e >o; echo "$a: exit $?, $(wc -l < e) line, seconds: $((SECONDS / 30 * 30))"; done',
        "3 min 41 s, 33 lines",
        r"(auto: exit 1, 1 line, seconds: 0)\n(127\S*: exit 1, 1 line, seconds: 0)",
    ),
    Row("F6", "evonum verify two.fpcore", "another formula's bound", r"(as given.*)\n +(polished.*)"),
    Row(
        "F7",
        f'evonum search exp2 --max-ops 4 --generations 5 {SEARCH} --out s > o; python -c "\n'
        "import json; p = 's/front.json'; d = json.load(open(p)); m = d if isinstance(d, list) else d['members']\n"
        "for a in m:\n    for k in ('sampled_error', 'polished_error', 'proved_bound'):\n"
        "        a[k] = a[k] and a[k] / 1000\njson.dump(d, open(p, 'w'))\"\n"
        f"evonum search --resume s --generations 6 --workers serial --no-record; echo exit $?",
        "better members removed",
        r"(evonum: .*\nexit [12]|│  3 │ \d\.\d+e-0[34])",
    ),
    Row(
        "F8",
        "SECONDS=0; evonum search gelu --interval -8 8 --metric absolute --max-ops 14 --time 20s --no-record --workers serial"
        ' --out s > o; echo "exit $?, $((SECONDS)) s"; tail -1 o',
        "46 s of search, 73 s in all",
        r"(exit 0, \d+ s)",
    ),
    Row(
        "F9",
        f"evonum search sin --metric absolute --interval 0 1e-300 --max-ops 2 --generations 2 {SEARCH}; echo exit $?",
        "traceback",
        r"(exit 0)",
    ),
    Row("F9", "evonum ui --port 99999; echo exit $?", "traceback", r"(evonum: .*port.*\nexit 2)"),
    Row(
        "F9",
        "evonum search exp2 --max-ops 2 --generations 2 --workers serial --islands 1 > o;"
        " python -m http.server 8765 --bind 127.0.0.1 > /dev/null 2>&1 & sleep 20;"
        " evonum ui --port 8765; echo exit $?; kill %1",
        "exit 2",
        r"(evonum: .*\nexit 1)",
    ),
    Row(
        "F9",
        f"mkdir p; ln -s $(command -v evonum) p; CC= PATH=$PWD/p EVONUM_CACHE=$PWD/c evonum search exp2 --max-ops 2 {SEARCH};"
        " echo exit $?",
        "exit 2",
        r"(evonum: No C compiler found.*\nexit 1)",
    ),
    Row(
        "F9",
        """python -c "
import signal, subprocess, time
words = 'evonum search exp2 --workers serial --no-record --time 5s'.split()
hears = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
for tenths in 1, 2, 4, 6, 8, 10, 15:
    one = subprocess.Popen(words, preexec_fn=hears, stdout=-1, stderr=-1)
    time.sleep(tenths / 10)
    one.send_signal(signal.SIGINT)
    said = one.communicate()[1]
    print('130' if one.returncode in (130, -2) else one.returncode, said.decode())
" | sort | uniq -c""",
        "traceback",
        r"^ *(7 130)",
    ),
    Row(
        "F10",
        "evonum search exp2 --max-ops 3 --generations 3 --islands 1 --workers serial --tracking-uri sqlite:///other.db"
        " --out s; evonum deliver s; ls *.db",
        "mlflow.db here",
        r"(other\.db)\n?$",
    ),
    Row(
        "F10",
        'evonum search exp2 --max-ops 3 --generations 3 --islands 1 --workers serial --out a > o; evonum search exp2 --ops "+ *"'
        ' --max-ops 3 --generations 3 --islands 1 --workers serial --interval 0 2 --out b > o; python -c "\n'
        "import mlflow; c = mlflow.MlflowClient('sqlite:///mlflow.db')\n"
        "print('models:', *sorted({m.name for m in c.search_registered_models()}))\"",
        "one name",
        r"(models: \S.* \S.*)",
    ),
    Row(
        "F12",
        f'evonum search "1/x" --interval 1 1e300 --max-ops 2 --generations 2 {SEARCH}; echo exit $?;'
        f" evonum search tan --interval 1 1e300 --max-ops 2 --generations 2 {SEARCH}; echo exit $?",
        "a message that points elsewhere",
        r"((?s:.*)exit [02]\n(?s:.*)exit [02])",
    ),
    Row(
        "F12",
        "evonum search exp2 --max-ops 0; evonum search --help | grep -c serial",
        "max_ops; serial named nowhere",
        r"(evonum: .*--max-ops.*\n[1-9])",
    ),
    Row(
        "F13",
        f"evonum search exp2 --max-ops 3 --generations 3 {SEARCH} --out s > o; mkdir m; mv s m/t;"
        " touch m/t/exp2_ops03.c m/t/.front.json.abc; mkdir m/t/build; evonum front m/t > o; echo front $?;"
        " evonum verify m/t > o; echo verify $?;"
        " evonum search --resume m/t --generations 5 --workers serial --no-record > o; echo resume $?",
        "the next command fails",
        r"(front 0\nverify 0\nresume 0)",
    ),
    Row(
        "F14",
        f"evonum search exp2 --max-ops 7 --time 5s {SEARCH} --out s > o; {TERMINAL.format('front s')} > n;"
        " python -c \"t = open('n').read(); print('widest', max(map(len, t.splitlines())), 'cut', t.count('…'),"
        " 'numbers', t.count('e-'))\"; COLUMNS= evonum front s | grep -c 'e-'",
        "numbers cut, formulas wrapped",
        r"(widest 40 cut 0 numbers [1-9]\d*)\n(\d+)\n",
    ),
    Row(
        "F15",
        "evonum --version; evonum baselines exp2 --max-ops 3 --ops '+ *' > o; echo baselines $?;"
        f" evonum search exp2 --error 1e-3 {SEARCH} --out s > o; echo error $?;"
        f" evonum search --resume s --max-ops 12 --error 1e-4 --workers serial --no-record > o; echo resume $?;"
        f" evonum search exp2 --seeds s --max-ops 8 --generations 2 {SEARCH} --out t > o; echo seeds $?;"
        " evonum list > o; echo list $?; evonum clean s --yes > o; echo clean $?",
        "no such option",
        r"(\d+\.\d+.*\nbaselines 0\nerror 0\nresume 0\nseeds 0\nlist 0\nclean 0)",
    ),
    Row(
        "F16",
        f"evonum search exp2 --max-ops 3 --generations 3 {SEARCH} --out s > o; cp s/front.json f; rm s/front.json;"
        " mkfifo s/front.json; timeout 60 evonum search --resume s --workers serial --no-record; echo exit $?; rm s/front.json;"
        ' sed \'s/"sampled_error": [0-9.e-]*/"sampled_error": -1/\' f > s/front.json; evonum front s; echo exit $?',
        "hangs; error -1 shown",
        r"(it is no regular file)(?s:.*)(exit 0)\n(evonum: .*\nexit 2)",
    ),
    Row(
        "start",
        "for i in 1 2 3 4; do evonum search exp2 --max-ops 3 --time 3s --workers serial --islands 1 --out s$i > o$i 2>&1 & done;"
        " wait; python -c \"\nimport mlflow; c = mlflow.MlflowClient('sqlite:///mlflow.db')\n"
        "e = [x.experiment_id for x in c.search_experiments()]\n"
        "print('runs:', *[r.info.status for r in c.search_runs(e)])\"",
        "store broken",
        r"(runs: FINISHED FINISHED FINISHED FINISHED)",
    ),
)


def run(row: Row) -> str:
    """All that the row's script prints, in a fresh folder."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(CASES, folder, dirs_exist_ok=True)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", f"exec 2>&1; {row.script}"],
            cwd=folder,
            env={**os.environ, "PATH": path, "COLUMNS": "120"},
            stdout=subprocess.PIPE,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    return done.stdout


def cell(text: str) -> str:
    """Text in a Markdown table."""
    return re.sub(r"\s+", " ", text.replace("│", "").replace("|", "\\|")).strip()


def main() -> int:
    """Prints the table; the outputs of wrong rows on the error output."""
    wrong = 0
    print("| number | command | before | now | |\n|---|---|---|---|---|")
    for row in ROWS:
        if len(sys.argv) > 1 and row.number not in sys.argv[1:]:
            continue
        output = run(row)
        found = None if "Traceback" in output else re.search(row.shows, output, re.MULTILINE)
        wrong += found is None
        now = cell("; ".join(found.groups())) if found else "see the error output"
        mark = "ok" if found else "WRONG"
        print(f"| {row.number} | `{cell(row.script)}` | {row.before} | {now} | {mark} |", flush=True)
        if not found:
            print(f"{row.number}: {row.script}\n{output}", file=sys.stderr, flush=True)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
