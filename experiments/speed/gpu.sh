#!/usr/bin/env bash
# Runs the GPU benchmarks, most important first, and skips those that do not fit in ten minutes:
#
#   bash experiments/speed/gpu.sh [folder, default experiments/results/speed/gpu]
#
# Run it from the repository's root. Variables: PYTHON, the interpreter (default python3); LIMIT,
# the seconds for everything (default 570); COMPILE, the seconds for the first part, which compiles
# programs (default 200). A program that fails or takes too long is listed in failures.txt; its
# output is in logs/, and the others still run.
set -euo pipefail

PYTHON="${PYTHON:-python3}"
LIMIT="${LIMIT:-570}"
COMPILE="${COMPILE:-200}"
((COMPILE < LIMIT)) || COMPILE="$LIMIT"
OUT="${1:-experiments/results/speed/gpu}"
# jax shares the GPU with PyTorch and with other processes.
export XLA_PYTHON_CLIENT_PREALLOCATE=false

if ! "$PYTHON" -c "import jax; jax.devices('gpu')" >/dev/null 2>&1; then
  echo "gpu.sh: jax of $PYTHON finds no GPU here; pip install '.[cuda13]' or '.[cuda12]'" >&2
  exit 2
fi

mkdir -p "$OUT/logs"
rm -rf "$OUT/failures.txt" "$OUT/cache" "$OUT/compiled"
{
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || true
  "$PYTHON" --version
  "$PYTHON" - <<'CODE'
import importlib.metadata as metadata
import jax
print(jax.devices())
wanted = "jax jaxlib jax-cuda12-plugin jax-cuda13-plugin flax optax numpy torch".split()
for name in wanted:
    try:
        print(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        print(name, "is not installed")
CODE
} >"$OUT/machine.txt" 2>&1
cat "$OUT/machine.txt"

# run_program SECONDS NAME FOLDER PROGRAM FLAGS...: runs a program for at most SECONDS.
run_program() {
  local most="$1" name="$2" folder="$3" program="$4"
  shift 4
  timeout --kill-after=5 "$most" "$PYTHON" -m "experiments.speed.$program" --backend=gpu \
    "--out=$folder/$name" "$@" >"$folder/logs/$name.txt" 2>&1
}

# compile NAME PROGRAM FLAGS...: compiles in the background what "measure" will run, to fill the
# cache; its measurements are discarded.
compile() {
  local name="$1" program="$2"
  shift 2
  run_program "$COMPILE" "$name" "$OUT/compiled" "$program" "$@" --rounds=1 ||
    echo "$name: was not compiled, exit code $?" >>"$OUT/failures.txt" &
}

# measure NAME SECONDS PROGRAM FLAGS...: writes results to $OUT/NAME.
measure() {
  local name="$1" most="$2" program="$3" code=0
  shift 3
  local left=$((LIMIT - SECONDS))
  if ((left < 10)); then
    echo "$name: not run, $LIMIT s are over" | tee -a "$OUT/failures.txt"
    return
  fi
  local start=$SECONDS
  run_program "$((most < left ? most : left))" "$name" "$OUT" "$program" "$@" || code=$?
  echo "$name: exit code $code after $((SECONDS - start)) s"
  if ((code != 0)); then
    echo "$name: exit code $code: $(tail -n 1 "$OUT/logs/$name.txt")" >>"$OUT/failures.txt"
  fi
}

peers=""
if "$PYTHON" -c "import torch" >/dev/null 2>&1; then
  peers="eager"
fi
paper=(step --sizes=512 --networks=paper "--peers=$peers" --steps=10 --noparts)
fast=(step --sizes=512 --networks=fast "--peers=$peers" --steps=10 --noparts)
half=(step --sizes=512 --networks=paper,fast --peers= --steps=10 --noparts --dtypes=bfloat16)
nearest=(step --sizes=512 --networks=nearest "--peers=$peers" --steps=10 --noparts)
small=(step --sizes=256 --networks=paper,nearest,fast "--peers=$peers" --steps=10 --noparts)
loop=(loop --size=512 --kinds=device,scan,ensemble --fits=8)
together=(loop --size=512 --kinds=together --fits=8)

# XLA compiles each program for half a minute or more, mostly on one core. So compile all at once
# first, then time one after the other with nothing else running. XLA's autotuning then happens
# under load, which can only make our programs slower.
export JAX_COMPILATION_CACHE_DIR="$OUT/cache/jax"
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1
mkdir -p "$OUT/compiled/logs"
compile step-paper "${paper[@]}" --peers=
compile step-fast "${fast[@]}" --peers=
compile step-half "${half[@]}"
compile step-nearest "${nearest[@]}" --peers=
compile step-256 "${small[@]}" --peers=
compile loop "${loop[@]}"
compile loop-together "${together[@]}"
compile roofline roofline --size=512
compile folder folder --ways=folder --pictures=8 --sides=500,512 --steps=1
wait
echo "compiled after $SECONDS s"

measure step-paper 60 "${paper[@]}"
# Pictures per hour with compiled programs: the first round, of one step, is not timed.
measure folder 120 folder --ways=folder --pictures=8 --sides=500,512 --rounds=1
measure step-half 100 "${half[@]}"
measure step-fast 60 "${fast[@]}"
measure loop 80 "${loop[@]}"
measure step-nearest 60 "${nearest[@]}"
measure step-256 100 "${small[@]}"
measure roofline 80 roofline --size=512
measure loop-together 80 "${together[@]}"
if [[ -n "$peers" ]]; then # torch.compile takes over a minute
  measure step-compile 150 "${paper[@]}" --peers=eager,compile
fi
unset JAX_COMPILATION_CACHE_DIR # the rest uses caches of its own
measure startup 100 startup --rounds=1
measure memory-paper 100 memory --presets=paper --sizes=256,512,1024,2048
measure memory-fast 100 memory --presets=fast --sizes=256,512,1024,2048
# Large pictures by the command: tiles that continue from each other, windows around holes.
measure large 120 large --megapixels=1,12.2 --damage=noise,scratches
# Wall-clock seconds of whole runs until the original's best, on a scikit-image picture. The first
# run of "fast" starts without compiled programs, the second with the first's.
if [[ -z "$peers" ]]; then
  echo "quality: not run, PyTorch is not installed" | tee -a "$OUT/failures.txt"
elif ! "$PYTHON" -c "
import sys, pathlib
from skimage import data
from dip_jax.app.files import write_picture
pathlib.Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
write_picture(pathlib.Path(sys.argv[1]) / 'astronaut.png', data.astronaut() / 255)
" "$OUT/pictures" 2>"$OUT/logs/pictures.txt"; then
  echo "quality: not run, no picture: $(tail -n 1 "$OUT/logs/pictures.txt")" | tee -a "$OUT/failures.txt"
else
  rm -rf "$OUT/quality" # else an earlier run's curves would be reused
  measure quality 230 time_to_quality --size=512 --seeds=2 "--data=$OUT/pictures" \
    --pictures=astronaut.png "--cache=$OUT/cache/quality"
fi
rm -rf "$OUT/cache" "$OUT/compiled" "$OUT/pictures"

if [[ -s "$OUT/failures.txt" ]]; then
  cat "$OUT/failures.txt" >&2
  exit 1
fi
