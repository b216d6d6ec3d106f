"""What exported files say of their functions: comment blocks for any language, one-line summaries."""

from collections.abc import Sequence

from evo.exports.formula import Formula


def comment(notes: Sequence[tuple[str, str]], mark: str) -> list[str]:
    """Aligned comment lines."""
    width = max(len(label) for label, _ in notes)
    return [f"{mark} {label:{width}}  {text}" for label, text in notes]


def comment_block(
    formulas: Sequence[Formula], needs: str, mark: str = "//", usage: Sequence[tuple[str, str]] = ()
) -> list[str]:
    """All that is known of a formula, or the table of a family and what is known of each.

    Args:
        formulas: those of the file.
        needs: what the format asks of a compiler.
        mark: what begins a comment.
        usage: notes of the format's own.
    """
    if len(formulas) == 1:
        return comment([*formulas[0].notes(needs), *usage], mark)
    every = [f.notes(needs) for f in formulas]
    notes = [note for note in every[0] if all(note in others for others in every)]
    lines = [*comment([*notes, *usage], mark), mark, *_table(formulas, mark)]
    for f, known in zip(formulas, every, strict=True):
        own = [note for note in known if note not in notes]
        lines += [mark, f"{mark} {f.name}:", *comment(own, mark)]
    return lines


def _table(formulas: Sequence[Formula], mark: str) -> list[str]:
    rows = [f"{mark} {'function':24} ops  {'sampled error':>13}  {'proved bound':>13}  float error"]
    for f in formulas:
        m, errors = f.member, "; ".join(map(str, f.float_errors))
        proved = f"{m.proved_bound:.4e}" if m.proved_bound else "none"
        rows.append(f"{mark} {f.name:24} {m.ops:3}  {m.sampled_error:13.4e}  {proved:>13}  {errors}")
    return rows


def summary(formula: Formula, name: str) -> str:
    """One line on what a function computes: the core, or the function on all floats."""
    m = formula.member
    where = f"on ({', '.join(m.interval)})" if name == formula.core_name else "on all floats"
    return f"{m.target} {where}, {formula.fmt.name}.".replace("\\", "").replace('"', "'")
