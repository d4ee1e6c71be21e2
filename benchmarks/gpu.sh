#!/usr/bin/env bash
# All benchmarks that matter on a GPU, most important first; what ten minutes do not hold is not run:
#
#   bash benchmarks/gpu.sh [folder, default benchmarks/results/gpu]
#
# Run it from the repository's root. PYTHON names the interpreter [python3], LIMIT the seconds
# that everything may take [570], COMPILE those of the first part, in which programs are compiled
# [200]. A program that fails or takes too long is noted in failures.txt, its output is in logs/,
# and the others still run.
set -euo pipefail

PYTHON="${PYTHON:-python3}"
LIMIT="${LIMIT:-570}"
COMPILE="${COMPILE:-200}"
((COMPILE < LIMIT)) || COMPILE="$LIMIT"
OUT="${1:-benchmarks/results/gpu}"
# PyTorch and the programs' processes share the GPU with jax.
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

# run_program SECONDS NAME FOLDER PROGRAM FLAGS...: at most so many seconds.
run_program() {
  local most="$1" name="$2" folder="$3" program="$4"
  shift 4
  timeout --kill-after=5 "$most" "$PYTHON" -m "benchmarks.$program" --backend=gpu \
    "--out=$folder/$name" "$@" >"$folder/logs/$name.txt" 2>&1
}

# compile NAME PROGRAM FLAGS...: fills the cache with what "measure" of the same will run, beside
# others that do so; what it measures is not kept.
compile() {
  local name="$1" program="$2"
  shift 2
  run_program "$COMPILE" "$name" "$OUT/compiled" "$program" "$@" --rounds=1 ||
    echo "$name: was not compiled, exit code $?" >>"$OUT/failures.txt" &
}

# measure NAME SECONDS PROGRAM FLAGS...: results in $OUT/NAME.
measure() {
  local name="$1" most="$2" program="$3" code=0
  shift 3
  local left=$((LIMIT - SECONDS))
  if ((left < 10)); then
    echo "$name: not run, $LIMIT s were over" | tee -a "$OUT/failures.txt"
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

# XLA's compiler takes half a minute or more for each, most of it with one processor: all are
# compiled at once first, and timed one after the other then, with nothing beside. Its choices among
# convolutions and products, which it times, are made beside others' so; that can only cost.
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
# Pictures an hour, with compiled programs: the first round, of one step, is not counted.
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
unset JAX_COMPILATION_CACHE_DIR # what follows has caches of its own
measure startup 100 startup --rounds=1
measure memory-paper 100 memory --presets=paper --sizes=256,512,1024,2048
measure memory-fast 100 memory --presets=fast --sizes=256,512,1024,2048
# Wall-clock seconds of whole runs to the original's best, on a picture of scikit-image; of
# those of "fast" the first begins with no compiled program, the second with the first's.
if [[ -z "$peers" ]]; then
  echo "quality: not run, PyTorch is not installed" | tee -a "$OUT/failures.txt"
elif ! "$PYTHON" -c "
import sys, pathlib
from skimage import data
from dip_jax.app.pictures import write_picture
pathlib.Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
write_picture(pathlib.Path(sys.argv[1]) / 'astronaut.png', data.astronaut() / 255)
" "$OUT/pictures" 2>"$OUT/logs/pictures.txt"; then
  echo "quality: not run, no picture: $(tail -n 1 "$OUT/logs/pictures.txt")" | tee -a "$OUT/failures.txt"
else
  rm -rf "$OUT/quality" # an earlier run's: its curves would be kept
  measure quality 230 time_to_quality --size=512 --seeds=2 "--data=$OUT/pictures" \
    --pictures=astronaut.png "--cache=$OUT/cache/quality"
fi
rm -rf "$OUT/cache" "$OUT/compiled" "$OUT/pictures"

if [[ -s "$OUT/failures.txt" ]]; then
  cat "$OUT/failures.txt" >&2
  exit 1
fi
