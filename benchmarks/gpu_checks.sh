#!/usr/bin/env bash
# The tests that need a GPU, then how fast training and completion are there. The tables come last.
#
#   benchmarks/gpu_checks.sh [OUTPUT_FOLDER] [sequence folders to time training on ...]
#
# From the environment: PYTHON (python3), DEVICE (cuda), RECIPE (recipes/indoor.toml), WORKERS (processors less one, 12 at most),
# TRAINING_FLAGS and INFERENCE_FLAGS (more flags of the two benchmarks, separated by spaces).
set -euo pipefail
output=${1:-runs/gpu_checks}
shift $(($# > 0 ? 1 : 0))
here=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONPATH="$here/src${PYTHONPATH:+:$PYTHONPATH}"
python=${PYTHON:-python3}
device=${DEVICE:-cuda}
processors=$(nproc)
workers=${WORKERS:-$((processors > 13 ? 12 : processors > 1 ? processors - 1 : 1))}
read -ra training_flags <<<"${TRAINING_FLAGS:-}"
read -ra inference_flags <<<"${INFERENCE_FLAGS:-}"

# Each of the three runs whether or not the others fail.
failed=()
"$python" -m pytest -q -p no:cacheprovider -m gpu "$here"/tests/test_{gpu,completion,evaluation}.py || failed+=(tests)
"$python" "$here/benchmarks/training.py" --recipe "${RECIPE:-$here/recipes/indoor.toml}" ${1:+--sequences "$@"} \
  --workers "$workers" --device "$device" --output "$output/training.json" "${training_flags[@]}" || failed+=(training)
"$python" "$here/benchmarks/inference.py" --device "$device" --output "$output/inference.json" "${inference_flags[@]}" ||
  failed+=(inference)
if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}" >&2
  exit 1
fi
