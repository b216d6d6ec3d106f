"""The command `evonum`, also as `python -m evo`."""

import _signal as signal  # type: ignore[import-not-found]  # built in: `signal` takes long enough for a Ctrl-C


def main() -> None:
    """Runs the command; Ctrl-C ends it silently, also while its modules are imported and closed."""
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
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


if __name__ == "__main__":
    main()
