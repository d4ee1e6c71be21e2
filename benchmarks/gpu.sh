#!/usr/bin/env bash
# All benchmarks that matter on a GPU, most important first; what ten minutes do not hold is not run:
#
#   bash benchmarks/gpu.sh [folder, default benchmarks/results/gpu]
#
# Run it from the repository's root. PYTHON names the interpreter [python3], LIMIT the seconds
# that everything may take [570]. A program that fails or takes too long is noted in
# failures.txt, its output is in logs/, and the others still run.
set -euo pipefail

PYTHON="${PYTHON:-python3}"
LIMIT="${LIMIT:-570}"
OUT="${1:-benchmarks/results/gpu}"
# PyTorch and the programs' processes share the GPU with jax.
export XLA_PYTHON_CLIENT_PREALLOCATE=false

if ! "$PYTHON" -c "import jax; jax.devices('gpu')" >/dev/null 2>&1; then
  echo "gpu.sh: jax of $PYTHON finds no GPU here; pip install '.[cuda13]' or '.[cuda12]'" >&2
  exit 2
fi

mkdir -p "$OUT/logs"
rm -f "$OUT/failures.txt"
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

# measure NAME SECONDS PROGRAM FLAGS...: results in $OUT/NAME, at most so many seconds.
measure() {
  local name="$1" most="$2" program="$3" code=0
  shift 3
  local left=$((LIMIT - SECONDS))
  if ((left < 10)); then
    echo "$name: not run, $LIMIT s were over" | tee -a "$OUT/failures.txt"
    return
  fi
  local start=$SECONDS
  timeout --kill-after=5 "$((most < left ? most : left))" \
    "$PYTHON" -m "benchmarks.$program" --backend=gpu --out="$OUT/$name" "$@" \
    >"$OUT/logs/$name.txt" 2>&1 || code=$?
  echo "$name: exit code $code after $((SECONDS - start)) s"
  if ((code != 0)); then
    echo "$name: exit code $code: $(tail -n 1 "$OUT/logs/$name.txt")" >>"$OUT/failures.txt"
  fi
}

peers=""
if "$PYTHON" -c "import torch" >/dev/null 2>&1; then
  peers="eager,compile"
fi

measure step-paper 120 step --sizes=512 --networks=paper "--peers=$peers" --steps=10 --noparts
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
  rm -rf "$OUT/cache" "$OUT/quality" # an earlier run's: its curves would be kept
  measure quality 230 time_to_quality --size=512 --seeds=2 "--data=$OUT/pictures" \
    --pictures=astronaut.png "--cache=$OUT/cache"
fi
# Pictures an hour, with compiled programs: the first round, of one step, is not counted.
measure folder 120 folder --ways=folder --pictures=8 --sides=500,512 --rounds=1
measure loop 80 loop --size=512 --kinds=device,ensemble --fits=8
measure loop-together 80 loop --size=512 --kinds=together --fits=8
measure step-fast 100 step --sizes=512 --networks=fast "--peers=$peers" --steps=10 --noparts
# To choose among its convolutions of half precision takes XLA minutes.
measure step-half 240 step --sizes=512 --networks=paper --peers= --steps=10 --noparts \
  --dtypes=float32,bfloat16
measure startup 100 startup --rounds=2
measure roofline 80 roofline --size=512
measure memory-paper 100 memory --presets=paper --sizes=256,512,1024,2048
measure step-256 200 step --sizes=256 --networks=paper,nearest,fast "--peers=$peers" --steps=10
measure step-nearest 150 step --sizes=512 --networks=nearest "--peers=$peers" --steps=10 --noparts
measure memory-fast 100 memory --presets=fast --sizes=256,512,1024,2048
rm -rf "$OUT/cache" "$OUT/pictures"

if [[ -s "$OUT/failures.txt" ]]; then
  cat "$OUT/failures.txt" >&2
  exit 1
fi
