#!/usr/bin/env bash
# The tests that need a GPU, then how fast completion and training are there. The tables come last.
#
#   benchmarks/gpu_checks.sh [OUTPUT_FOLDER] [flags of kbnet benchmark ...]
#
# From the environment: PYTHON (python3), DEVICE (cuda), SECONDS_AT_MOST (none) of the benchmark, which then shows what it has.
set -euo pipefail
output=${1:-runs/gpu_checks}
shift $(($# > 0 ? 1 : 0))
here=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONPATH="$here/src${PYTHONPATH:+:$PYTHONPATH}"
python=${PYTHON:-python3}
device=${DEVICE:-cuda}
mapfile -t tests < <(grep -rl --include='test_*.py' 'pytest.mark.gpu' "$here/tests")
# The second runs whether or not the first fails.
failed=()
"$python" -m pytest -q -p no:cacheprovider -m gpu "${tests[@]}" || failed+=(tests)
timeout --foreground --signal=INT "${SECONDS_AT_MOST:-0}" \
  "$python" -m kbnet benchmark --device "$device" --output "$output/benchmark.json" "$@" || failed+=(benchmark)
if [ ${#failed[@]} -gt 0 ]; then
  echo "failed, or not finished: ${failed[*]}" >&2
  exit 1
fi
