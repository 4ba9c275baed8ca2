#!/usr/bin/env bash
# Every figure that needs a GPU, in two parts of about five and ten minutes:
#
#     bash benchmarks/gpu.sh rows RESULTS        the tests that need a GPU, then each benchmark
#     bash benchmarks/gpu.sh map RESULTS DATA    the map of CIFAR-10; DATA holds unpack.py and cifar10/
#
# Run from the checkout, with augmap installed or src/ on PYTHONPATH. RESULTS is a folder.
set -u
part=${1:-} results=${2:-}
if [ "$part" != rows ] && { [ "$part" != map ] || [ -z "${3:-}" ]; } || [ -z "$results" ]; then
    echo "usage: gpu.sh rows RESULTS | gpu.sh map RESULTS DATA" >&2
    exit 2
fi
began=$(date +%s)
say() { echo "== [$(($(date +%s) - began)) s] $*"; }
bench() { say "$1"; timeout "$2" python3 "benchmarks/$1.py" --device cuda --output "$results/$3.json" "${@:4}" 2>&1 | tail -11; }

mkdir -p "$results"
case $part in
rows)
    say tests
    timeout 90 python3 -m pytest -q -W default -p no:cacheprovider tests/method/test_cuda.py 2>&1 | tail -30
    bench step_cpu 75 step-cuda-resnet18-1024-1 --rounds 7 --steps 10
    bench augment 30 augment-cuda
    bench loss 40 loss-cuda
    bench embed 40 embed-cuda --images 20480
    python3 -c "import tsimcne" 2> /dev/null &&
        bench tsimcne 60 tsimcne-cuda --python python3 --threads "$(nproc)" --images 10240 --batch 1024 --rounds 1
    say end
    ;;
map)
    work=$(mktemp -d)
    timeout 590 python3 experiments/maps.py cifar10-gpu --data "$3" --work "$work" --results "$results"
    cp "$work/cifar10-gpu.map/"{map.json,log.jsonl,positions.npy} "$work/cifar10-gpu.png" "$results/"
    split -b 15m "$work/cifar10-gpu.map/encoder.safetensors" "$results/encoder.part."
    say end
    ;;
esac
