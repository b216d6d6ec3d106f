"""The command `evonum`, also as `python -m evo`."""

import _signal as signal  # type: ignore[import-not-found]  # built in: `signal` takes long enough for a Ctrl-C
import os
import sys


def main() -> None:
    """Runs the command; Ctrl-C ends it silently, also while its modules are imported and closed."""
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    _fill_closed()
    from evo.cli.app import main as run

    try:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def _fill_closed() -> None:
    """Puts files in the place of standard streams that are closed.

    Else the next file that is opened, such as a search's records, gets the number of the standard output,
    and all that libraries and compilers say. The one of the standard output takes nothing: a result that
    nobody can get is no success.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # gets the least free number
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


if __name__ == "__main__":
    main()
