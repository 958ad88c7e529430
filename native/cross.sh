#!/bin/sh
# Compiles and links the engine as a shared library for other platforms with Zig's compiler.
# Nothing is run: this finds what does not compile there, no more.
#
#   native/cross.sh KERNELS.cpp [OUT_DIR] [TARGET...]
#
# KERNELS.cpp comes from: python -m procgraph.models.cpu.generate KERNELS.cpp
# PYTHON names an interpreter that has the package "ziglang" (default: python3).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
kernels=${1:?usage: cross.sh KERNELS.cpp [OUT_DIR] [TARGET...]}
out=${2:-cross-build}
[ $# -ge 2 ] && shift 2 || shift 1
[ $# -gt 0 ] || set -- x86_64-windows-gnu aarch64-windows-gnu aarch64-linux-gnu x86_64-macos \
  aarch64-macos
python=${PYTHON:-python3}
# Nobody runs the result, so nothing is optimised; without the second option zig adds its own checks then.
quick="-O0 -fno-sanitize=undefined"
arithmetic="-ffp-contract=off -fno-math-errno -fno-trapping-math"
common="-std=c++20 $quick -fPIC -Wall -Wextra -Wpedantic -Wconversion -Werror -ffp-contract=off"
common="$common -I$here/include -I$here/src"
status=0

# compile SOURCE OBJECT FLAGS...
compile() {
  source=$1
  object=$2
  shift 2
  # shellcheck disable=SC2086
  "$python" -m ziglang c++ -target "$target" $common "$@" -c "$source" -o "$object"
}

# level SUFFIX TABLE FLAGS...
level() {
  suffix=$1
  table=$2
  shift 2
  for source in "$kernels" "$here/src/kernels/hot_loops.cpp"; do
    # shellcheck disable=SC2086
    compile "$source" "$dir/$suffix-$(basename "$source" .cpp).o" $arithmetic "$@" \
      "-DPG_KERNEL_TABLE=pg_kernels_$suffix" "-DPG_HOT_LOOPS=kHotLoops$table"
  done
}

build() {
  levels=
  level baseline Baseline
  case $target in
    x86_64-*)
      levels=-DPG_X86_LEVELS
      level v3 V3 -march=x86_64_v3
      level v4 V4 -march=x86_64_v4 -mprefer-vector-width=512
      ;;
  esac
  for source in "$here"/src/*/*.cpp; do
    case $source in
      */hot_loops.cpp) continue ;;
    esac
    # shellcheck disable=SC2086
    compile "$source" "$dir/$(basename "$source" .cpp).o" $levels
  done
  "$python" -m ziglang c++ -target "$target" -shared "$dir"/*.o -o "$dir/$library"
}

for target in "$@"; do
  dir=$out/$target
  mkdir -p "$dir"
  rm -f "$dir"/*.o
  case $target in
    *windows*) library=procgraph.dll ;;
    *macos*) library=libprocgraph.dylib ;;
    *) library=libprocgraph.so ;;
  esac
  if (set -e; build); then
    echo "$target: compiled, not run"
  else
    echo "$target: FAILED"
    status=1
  fi
done
exit $status
