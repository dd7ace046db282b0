#!/usr/bin/env bash
# Train on the sequences of a packed archive within a time limit, halve the weights, judge them on the held-out sequences.
#
#   benchmarks/train_on_gpu.sh DATA.tar RUN_FOLDER SECONDS [flags of kbnet train ...]
#
# When the time is up, or at Ctrl-C, the state is saved; the same command goes on from it. The table comes last.
# From the environment: PYTHON (python3), DEVICE (cuda), RECIPE (recipes/indoor.toml), WORKERS (processors less one, 12 at most).
set -euo pipefail
if [ $# -lt 3 ]; then
  sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
archive=$1 run=$2 seconds=$3
shift 3
here=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONPATH="$here/src${PYTHONPATH:+:$PYTHONPATH}"
python=${PYTHON:-python3}
device=${DEVICE:-cuda}
processors=$(nproc)
workers=${WORKERS:-$((processors > 13 ? 12 : processors > 1 ? processors - 1 : 1))}

data=$(dirname "$run")/$(basename "$archive" .tar)
mkdir -p "$data"
tar -xf "$archive" -C "$data"

if [ -e "$run/state.pt" ]; then
  source=(--resume "$run")
else
  source=(--config "${RECIPE:-$here/recipes/indoor.toml}" --output "$run")
fi
# In the foreground, so that Ctrl-C reaches the training as well.
status=0
timeout --foreground --signal=INT --kill-after=120 "$seconds" \
  "$python" -m kbnet train "$data"/train/*/ "${source[@]}" --device "$device" --processes 1 --workers "$workers" "$@" || status=$?
case $status in
  0) echo "trained to the end" ;;
  124) echo "stopped after $seconds s; the same command goes on" ;;
  *) exit "$status" ;;
esac

weights=$run/best.safetensors
if [ ! -e "$weights" ]; then
  weights=$run/last.safetensors
  echo "nothing was judged yet: taking the last weights"
fi
"$python" "$here/benchmarks/bundle_weights.py" "$weights" "$run/half.safetensors"

held_out=("$data"/held_out/*/)
if [ ! -d "${held_out[0]}" ]; then
  echo "the archive holds no held-out sequence to judge by"
  exit 0
fi
densities=()
for folder in "${held_out[0]}"sparse_depth*/; do
  densities+=("$(basename "$folder")")
done
"$python" -m kbnet evaluate "${held_out[@]}" --weights "$run/half.safetensors" --sparse-depth "${densities[@]}" \
  --baselines --device "$device" --output "$run/held_out"
