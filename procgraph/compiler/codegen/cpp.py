"""C++ text of a traced kernel: one loop over a chunk, one statement per operation."""

from __future__ import annotations

import numpy as np

from procgraph.spec.expr import Operation
from procgraph.spec.trace import Kernel

__all__ = ["KERNEL_TABLE", "render_kernel", "render_table"]

KERNEL_TABLE = "pg_kernel_table"  # what a kernel library exports

_C_TYPES = {
    "float32": "float",
    "int32": "std::int32_t",
    "bool": "bool",
    "uint8": "std::uint8_t",
    "int8": "std::int8_t",
    "int16": "std::int16_t",
    "uint16": "std::uint16_t",
}
_FLOAT_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_COMPARE = {"lt": "<", "le": "<=", "eq": "==", "ne": "!="}
_LOGIC = {"and": "&", "or": "|"}
_FLOAT_CALL = {"sqrt": "std::sqrt", "floor": "std::floor"}
_HELPER = {"to_int", "shl", "shr", "bitand", "bitor", "bitxor", "float_bits", "bits_float", "abs", "neg"}

# Integer arithmetic wraps, which signed C++ arithmetic must not do; conversions follow time-and-numbers section 6.
# Both sides of a choice are at hand before it, so that compilers blend vectors instead of jumping.
PRELUDE = """\
#include <cmath>
#include <cstdint>
#include <cstring>

#include "procgraph/kernel.h"

#if defined(__GNUC__) || defined(__clang__)
#define PG_RESTRICT __restrict__
#else
#define PG_RESTRICT __restrict
#endif
#if defined(_WIN32)
#define PG_KERNEL_EXPORT __declspec(dllexport)
#else
#define PG_KERNEL_EXPORT __attribute__((visibility("default")))
#endif

// No iteration depends on another. Compilers trust restrict on local pointers too little to leave out alias checks.
#if defined(__clang__)
#define PG_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define PG_INDEPENDENT _Pragma("GCC ivdep") _Pragma("GCC unroll 2")
#elif defined(_MSC_VER)
#define PG_INDEPENDENT __pragma(loop(ivdep))
#else
#define PG_INDEPENDENT
#endif

namespace {
using i32 = std::int32_t;
using u32 = std::uint32_t;

[[maybe_unused]] inline i32 add(i32 a, i32 b) { return static_cast<i32>(static_cast<u32>(a) + static_cast<u32>(b)); }
[[maybe_unused]] inline i32 sub(i32 a, i32 b) { return static_cast<i32>(static_cast<u32>(a) - static_cast<u32>(b)); }
[[maybe_unused]] inline i32 mul(i32 a, i32 b) { return static_cast<i32>(static_cast<u32>(a) * static_cast<u32>(b)); }
[[maybe_unused]] inline i32 neg(i32 a) { return static_cast<i32>(0U - static_cast<u32>(a)); }
[[maybe_unused]] inline float neg(float a) { return -a; }
[[maybe_unused]] inline i32 abs(i32 a) { return a < 0 ? neg(a) : a; }
[[maybe_unused]] inline float abs(float a) { return std::fabs(a); }
[[maybe_unused]] inline i32 shl(i32 a, i32 n) { return static_cast<i32>(static_cast<u32>(a) << n); }
[[maybe_unused]] inline i32 shr(i32 a, i32 n) { return a >> n; }
[[maybe_unused]] inline i32 bitand_(i32 a, i32 b) { return a & b; }
[[maybe_unused]] inline i32 bitor_(i32 a, i32 b) { return a | b; }
[[maybe_unused]] inline i32 bitxor_(i32 a, i32 b) { return a ^ b; }
[[maybe_unused]] inline i32 float_bits(float a) {
  i32 bits;
  std::memcpy(&bits, &a, sizeof bits);
  return bits;
}
[[maybe_unused]] inline float bits_float(i32 a) {
  float value;
  std::memcpy(&value, &a, sizeof value);
  return value;
}
// One value for all elements, or that of element i.
template <bool common, class T>
T column(T value, const T* values, std::int64_t i) {
  if constexpr (common) {
    return value;
  } else {
    return values[i];
  }
}
[[maybe_unused]] inline i32 select(bool m, i32 a, i32 b) { return m ? a : b; }
[[maybe_unused]] inline float select(bool m, float a, float b) { return m ? a : b; }
[[maybe_unused]] inline i32 to_int(float a) {
  const float v = select(a == a, a, 0.0F);
  const float low = select(v < -2147483520.0F, -2147483520.0F, v);
  return static_cast<i32>(select(low > 2147483520.0F, 2147483520.0F, low));
}
"""


def _constant(operation: Operation) -> str:
    value = operation.value
    if operation.dtype == "bool":
        return "true" if value else "false"
    if operation.dtype == "int32":
        return "INT32_MIN" if value == -(2**31) else str(value)
    return f"{float(np.float32(value)).hex()}F"


def _expression(operation: Operation, kernel: Kernel) -> str:
    op, dtype = operation.op, operation.dtype
    args = [f"t{a}" for a in operation.args]
    of = kernel.operations[operation.args[0]].dtype if args else ""
    integer = of == "int32"
    if op == "const":
        return _constant(operation)
    if op in _FLOAT_INFIX:
        return f"{op}({args[0]}, {args[1]})" if integer else f"{args[0]} {_FLOAT_INFIX[op]} {args[1]}"
    if op in _COMPARE:
        return f"{args[0]} {_COMPARE[op]} {args[1]}"
    if op in _LOGIC:
        return f"{args[0]} {_LOGIC[op]} {args[1]}"
    if op in ("min", "max"):
        return f"select({args[0]} {'<' if op == 'min' else '>'} {args[1]}, {args[0]}, {args[1]})"
    if op == "where":
        return f"select({', '.join(args)})"
    if op == "not":
        return f"!{args[0]}"
    if op == "to_float":
        return f"static_cast<float>({args[0]})"
    if op == "to_int" and of == "bool":
        return f"static_cast<i32>({args[0]})"
    if op in _FLOAT_CALL:
        return f"{_FLOAT_CALL[op]}({args[0]})"
    if op in _HELPER:
        name = f"{op}_" if op.startswith("bit") and op != "bits_float" else op
        return f"{name}({', '.join(args)})"
    raise AssertionError(f"operation {op!r} of {dtype} has no C++ text")


def _argument(operation: Operation) -> str:
    kind, _, name = str(operation.value).partition(":")
    return f"{kind}_{_identifier(name)}"


def _identifier(name: str) -> str:
    return name.replace(".", "_")


def _pointers(kernel: Kernel, used: set[str]) -> list[str]:
    lines: list[str] = []

    def pointer(name: str, ctype: str, source: str, const: bool = True) -> None:
        qualified = f"const {ctype}" if const else ctype
        lines.append(f"{qualified}* PG_RESTRICT const {name} = static_cast<{qualified}*>({source});")

    for i, a in enumerate(kernel.columns):
        if f"column:{a.name}" in used:
            name = f"column_{_identifier(a.name)}"
            pointer(f"{name}_p", _C_TYPES[a.dtype], f"args->columns[{i}]")
            lines.append(f"[[maybe_unused]] const {_C_TYPES[a.dtype]} {name} = {name}_p[0];")
    for i, a in enumerate(kernel.states):
        pointer(f"state_{a.name}_p", _C_TYPES[a.dtype], f"args->states[{i}]", const=False)
    for i, a in enumerate(kernel.inputs):
        if f"input:{a.name}" in used:
            pointer(f"input_{a.name}_p", _C_TYPES[a.dtype] if a.kind == "array" else "i32", f"args->inputs[{i}]")
            if a.kind == "current":
                lines.append(f"const float input_{a.name}_scale = args->input_scales[{i}];")
    for i, a in enumerate(kernel.draws):
        if f"draw:{a.name}" in used:
            pointer(f"draw_{a.name}_p", "i32", f"args->draws[{i}]")
    for i, o in enumerate(kernel.outputs):
        pointer(f"out{i}", _C_TYPES[o.dtype], f"args->outputs[{i}]", const=False)
    return lines


def _load(operation: Operation, kernel: Kernel) -> str:
    kind, _, name = str(operation.value).partition(":")
    if kind == "column":
        name = _argument(operation)
        return f"column<common>({name}, {name}_p, i)"
    pointer = f"{_argument(operation)}_p[i]"
    if kind != "input":
        return pointer
    declared = next(a for a in kernel.inputs if a.name == name)
    if declared.kind == "current":
        return f"static_cast<float>({pointer}) * input_{name}_scale"
    if operation.dtype == "bool":
        return f"{pointer} != 0"
    return f"static_cast<{_C_TYPES[operation.dtype]}>({pointer})"


def render_kernel(kernel: Kernel, symbol: str) -> str:
    """The C++ function of one kernel, with a loop of its own for columns that are one value each: these stay in registers."""
    used = {str(o.value) for o in kernel.operations if o.op == "arg"}
    loop = f"{symbol}_loop"
    chosen = f"{loop}<true>(args)"
    if kernel.columns:
        chosen = f"if (args->common != 0) {chosen}; else {loop}<false>(args)"
    lines = ["template <bool common>", f"void {loop}(const pg_kernel_args* args) {{"]
    lines += [f"  {line}" for line in _pointers(kernel, used)]
    lines += ["  const std::int64_t n = args->n;", "  PG_INDEPENDENT", "  for (std::int64_t i = 0; i < n; ++i) {"]
    for index, operation in enumerate(kernel.operations):
        text = _load(operation, kernel) if operation.op == "arg" else _expression(operation, kernel)
        lines.append(
            f"    const {'bool' if operation.dtype == 'bool' else _C_TYPES[operation.dtype]} t{index} = {text};"
        )
    for state, following in zip(kernel.states, kernel.next_states, strict=True):
        lines.append(f"    state_{state.name}_p[i] = t{following};")
    for i, output in enumerate(kernel.outputs):
        lines.append(f"    out{i}[i] = static_cast<{_C_TYPES[output.dtype]}>(t{output.value});")
    lines += ["  }", "}", f"void {symbol}(const pg_kernel_args* args) {{ {chosen}; }}"]
    return "\n".join(lines)


def render_table(kernels: list[Kernel], function: str) -> str:
    """A whole source file: the kernels and the table that a library exports as ``function``."""
    bodies = [render_kernel(kernel, f"kernel_{kernel.name}") for kernel in kernels]
    rows = [f'    {{"{k.name}", "{k.hash}", "{k.layout}", kernel_{k.name}}},' for k in kernels]
    table = [
        "const pg_kernel_entry table[] = {",
        *rows,
        "    {nullptr, nullptr, nullptr, nullptr},",
        "};",
        "}  // namespace",
    ]
    export = [
        f'extern "C" PG_KERNEL_EXPORT const pg_kernel_entry* {function}(void);',
        f'extern "C" PG_KERNEL_EXPORT const pg_kernel_entry* {function}(void) {{ return table; }}',
    ]
    return "\n".join([PRELUDE, "\n\n".join(bodies), "", *table, "", *export, ""])
