#!/usr/bin/env bash
# Guess: a generator of `joblib.Parallel(return_as="generator")` that is closed before its first result ends the workers quietly:
# the documents name closing it as the way to call work off.
# Seen (joblib 1.6.0): the generator closes without an error, but the thread in which loky hands out the calls dies of a KeyError
# and prints a traceback on stderr, most of the time: it empties the table of waiting calls and then goes on handing them out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir joblib==1.6.0
cat >"$folder/call_off.py" <<'PY'
import threading
import time
import warnings

import joblib

ROUNDS = 20


def main() -> None:
    warnings.simplefilter("ignore")  # "tasks which were still being processed by the workers have been cancelled"
    failed: list[str] = []
    threading.excepthook = lambda args: failed.append(f"{args.thread.name}: {args.exc_type.__name__}")
    parallel = joblib.Parallel(n_jobs=2, return_as="generator")
    for _ in range(ROUNDS):
        list(parallel(joblib.delayed(abs)(number) for number in range(2)))  # the workers run
        parallel(joblib.delayed(time.sleep)(0.1) for _ in range(30)).close()
    print(f"closed {ROUNDS} times without an error; the thread failed {len(failed)} times: {set(failed)}")
    assert set(failed) == {"ExecutorManagerThread: KeyError"}, "this has changed"


if __name__ == "__main__":
    main()
PY
"$folder/venv/bin/python" "$folder/call_off.py"
