"""Random programs and rewrites that keep their function.

A rewrite works on a graph, `nodes` (op name, operands) with operands "x", "c3" or a node's number; a rule
looks at one node and returns the node that may take its place, having appended what it needs. To add a
rule, write a function and list it in RULES.
"""

from collections.abc import Callable, Iterator

import numpy as np
from hypothesis import strategies as st

from evo.programs.batch import CONSTANT, VALUE, Batch
from evo.programs.ops import BY_TEXT, OPCODE, OPS
from evo.programs.program import Instruction, Operand, Program, X

RATIONAL = tuple(op.name for op in OPS if op.name != "sqrt")
"""Ops whose programs are rational functions."""
ALL = tuple(op.name for op in OPS)

Word = str | int
Node = tuple[str, tuple[Word, ...]]
Nodes = list[Node]
Rule = Callable[[Nodes, Node], Iterator[Word]]


@st.composite
def programs(draw, ops=RATIONAL, max_size=12, max_constants=5, min_size=1, dead=True):
    """Programs of up to `max_size` instructions that share values; some do not depend on x.

    With `dead`, some compute values that the result does not need.
    """
    instructions: list[Instruction] = []
    words = [X, X, *(Operand("c", j) for j in range(max_constants))]
    for n in range(draw(st.integers(min_size, max_size))):
        op = BY_TEXT[draw(st.sampled_from(ops))]
        picks = [draw(st.integers(0, len(words) - 1)) for _ in range(op.arity)]
        if n and picks[0] % 2:
            picks[0] = len(words) - 1
        instructions.append(Instruction(op.name, tuple(words[p] for p in picks)))
        words.append(Operand("v", n))
    program = Program(tuple(instructions))
    return compact(program if dead else program.pruned())


def compact(program: Program) -> Program:
    """Constants numbered without gaps, in their old order."""
    used = sorted({a.index for i in program.instructions for a in i.args if a.kind == "c"})
    return rename(program, {old: new for new, old in enumerate(used)})


def rename(program: Program, names) -> Program:
    """The program with constant j called names[j]."""
    return Program(
        tuple(
            Instruction(op, tuple(Operand("c", names[a.index]) if a.kind == "c" else a for a in args))
            for op, args in program.instructions
        )
    )


def commute(nodes: Nodes, node: Node) -> Iterator[Word]:
    op, args = node
    if BY_TEXT[op].symmetric:
        yield _new(nodes, op, args[1], args[0], *args[2:])


SIGNS = {"add": ("add", "sub"), "sub": ("add", "sub"), "mul": ("mul", "div"), "div": ("mul", "div")}


def associate(nodes: Nodes, node: Node) -> Iterator[Word]:
    """(a s b) t c = a s (b st c), and back; sums and products alike."""
    op, args = node
    if op not in SIGNS:
        return
    plain, inverse = SIGNS[op]
    if inner := _node(nodes, args[0], SIGNS[op]):
        (s, (a, b)), c = inner, args[1]
        yield _new(nodes, s, a, _new(nodes, plain if s == op else inverse, b, c))
    if inner := _node(nodes, args[1], SIGNS[op]):
        a, (s, (b, c)) = args[0], inner
        yield _new(nodes, plain if s == op else inverse, _new(nodes, op, a, b), c)


def distribute(nodes: Nodes, node: Node) -> Iterator[Word]:
    """a (b + c) = a b + a c and (a + b) / c = a / c + b / c, with sub too."""
    op, args = node
    for side in {"mul": (0, 1), "div": (0,)}.get(op, ()):
        if inner := _node(nodes, args[side], ("add", "sub")):
            parts = [_new(nodes, op, *_put(args, side, part)) for part in inner[1]]
            yield _new(nodes, inner[0], *parts)


def factor(nodes: Nodes, node: Node) -> Iterator[Word]:
    """The way back of `distribute`."""
    op, args = node
    if op not in ("add", "sub"):
        return
    left, right = _node(nodes, args[0], ("mul", "div")), _node(nodes, args[1], ("mul", "div"))
    if left and right and left[0] == right[0]:
        for side in (0, 1) if left[0] == "mul" else (1,):
            if left[1][side] == right[1][side]:
                total = _new(nodes, op, left[1][1 - side], right[1][1 - side])
                yield _new(nodes, left[0], *_put(left[1], 1 - side, total))


def fuse(nodes: Nodes, node: Node) -> Iterator[Word]:
    """fma(a, b, c) = a b + c, and back."""
    op, args = node
    if op == "fma":
        yield _new(nodes, "add", _new(nodes, "mul", *args[:2]), args[2])
    if op == "add":
        for side in (0, 1):
            if inner := _node(nodes, args[side], ("mul",)):
                yield _new(nodes, "fma", *inner[1], args[1 - side])


def negate(nodes: Nodes, node: Node) -> Iterator[Word]:
    """a - b = a + neg(b) = neg(b - a), and back."""
    op, args = node
    if op == "sub":
        yield _new(nodes, "add", args[0], _new(nodes, "neg", args[1]))
        yield _new(nodes, "neg", _new(nodes, "sub", args[1], args[0]))
    if op == "add" and (inner := _node(nodes, args[1], ("neg",))):
        yield _new(nodes, "sub", args[0], inner[1][0])


def duplicate(nodes: Nodes, node: Node) -> Iterator[Word]:
    """The same again: one place reads a copy instead of the shared value."""
    yield _new(nodes, *node[:1], *node[1])


RULES: tuple[Rule, ...] = (commute, associate, distribute, factor, fuse, negate, duplicate)


@st.composite
def rewritten(draw, program: Program, rules=RULES, most=8, names=True):
    """The same function as `program`, written otherwise; with `names`, up to the names of constants.

    Returns the program and `names`: constant j of the original is its constant names[j].
    """
    nodes, root = _graph(program)
    for _ in range(draw(st.integers(1, most))):
        live = _live(nodes, root)
        if len(live) > 40:
            break
        at = draw(st.sampled_from(live))
        places = [new for rule in rules for new in rule(nodes, nodes[at])]
        if not places:
            continue
        new = draw(st.sampled_from(places))
        sites = [(i, j) for i in live for j, word in enumerate(nodes[i][1]) if word == at]
        chosen = sites if draw(st.booleans()) else [draw(st.sampled_from(sites))] if sites else []
        for i, j in chosen:
            nodes[i] = (nodes[i][0], _put(nodes[i][1], j, new))
        root = new if root == at else root
    order = draw(st.permutations(range(program.n_constants))) if names else range(program.n_constants)
    return rename(_program(nodes, root, draw), list(order)), list(order)


def _new(nodes: Nodes, op: str, *args: Word) -> int:
    nodes.append((op, args))
    return len(nodes) - 1


def _node(nodes: Nodes, word: Word, ops) -> Node | None:
    return nodes[word] if isinstance(word, int) and nodes[word][0] in ops else None


def _put(args: tuple[Word, ...], at: int, word: Word) -> tuple[Word, ...]:
    return (*args[:at], word, *args[at + 1 :])


def _graph(program: Program) -> tuple[Nodes, int]:
    nodes = [
        (op, tuple(a.index if a.kind == "v" else f"{a.kind}{a.index}" for a in args))
        for op, args in program.instructions
    ]
    return nodes, len(nodes) - 1


def _live(nodes: Nodes, root: int) -> list[int]:
    live, stack = set(), [root]
    while stack:
        if (n := stack.pop()) not in live:
            live.add(n)
            stack += [w for w in nodes[n][1] if isinstance(w, int)]
    return sorted(live)


def _program(nodes: Nodes, root: int, draw) -> Program:
    """Straight-line code in any order that computes operands first."""
    waiting, placed, out = _live(nodes, root), {}, []
    while waiting:
        ready = [n for n in waiting if all(w in placed for w in nodes[n][1] if isinstance(w, int))]
        n = draw(st.sampled_from(ready)) if len(ready) > 1 else ready[0]
        waiting.remove(n)
        placed[n] = Operand("v", len(out))
        out.append(Instruction(nodes[n][0], tuple(_operand(w, placed) for w in nodes[n][1])))
    return Program(tuple(out))


def _operand(word: Word, placed) -> Operand:
    return placed[word] if isinstance(word, int) else X if word[0] == "x" else Operand("c", int(word[1:]))


def random_batch(
    rng: np.random.Generator, rows: int, ops=RATIONAL, size: tuple[int, int] = (1, 8), constants: int = 4
) -> Batch:
    """Many random programs at once, fast; constants are numbered without gaps by first use."""
    batch = Batch.empty(rows, max(size[1], constants))
    codes = np.array([OPCODE[name] for name in ops])
    arity = np.array([op.arity for op in OPS])
    batch.n[:] = rng.integers(size[0], size[1] + 1, rows)
    for i in range(size[1]):
        batch.op[:, i] = rng.choice(codes, rows)
        for j in range(3):
            kind = rng.random(rows)
            value = VALUE + rng.integers(0, max(i, 1), rows)
            value = np.where(rng.random(rows) < 0.5, VALUE + i - 1, value) if i else np.zeros(rows)
            constant = CONSTANT + rng.integers(0, constants, rows)
            slot = np.where(kind < 0.5, value, np.where(kind < 0.75, 0, constant))
            batch.arg[:, i, j] = np.where(arity[batch.op[:, i]] > j, slot, 0)
    beyond = np.arange(batch.width) >= batch.n[:, None]
    batch.op[beyond] = 0
    batch.arg[beyond] = 0
    used = (batch.arg.reshape(rows, -1, 1) == CONSTANT + np.arange(constants)).any(axis=1)
    batch.k[:] = used.sum(axis=1)
    names = np.tile(np.arange(256, dtype=np.uint8), (rows, 1))
    names[:, CONSTANT : CONSTANT + constants] = CONSTANT + np.cumsum(used, axis=1) - 1
    batch.arg[:] = np.take_along_axis(names, batch.arg.reshape(rows, -1).astype(int), 1).reshape(
        batch.arg.shape
    )
    return batch
