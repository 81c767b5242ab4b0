// What one instruction does to values and memory: arithmetic and conditions as RFC 9669 defines them, loads and stores
// of any alignment, atomic operations. Private to the interpreter, into whose loop they are compiled.
#pragma once

#include <cstdint>

#include "strata/isa/instruction.h"
#include "strata/isa/opcode.h"

namespace strata::runtime::operation {

using isa::AtomicOp;
using isa::Instruction;
using u64 = std::uint64_t;
using u32 = std::uint32_t;
using i64 = std::int64_t;
using i32 = std::int32_t;

template <typename T>
struct SignedOf;
template <>
struct SignedOf<u64> {
  using Type = i64;
};
template <>
struct SignedOf<u32> {
  using Type = i32;
};
template <typename T>
using Signed = typename SignedOf<T>::Type;

template <typename T>
constexpr T WidthMask() {
  return sizeof(T) * 8 - 1;
}

// Arithmetic of T's width, as RFC 9669 section 4.1 defines it.
template <typename T>
T Add(T a, T b) {
  return a + b;
}
template <typename T>
T Sub(T a, T b) {
  return a - b;
}
template <typename T>
T Mul(T a, T b) {
  return a * b;
}
template <typename T>
T Or(T a, T b) {
  return a | b;
}
template <typename T>
T And(T a, T b) {
  return a & b;
}
template <typename T>
T Xor(T a, T b) {
  return a ^ b;
}
template <typename T>
T Lsh(T a, T b) {
  return a << (b & WidthMask<T>());
}
template <typename T>
T Rsh(T a, T b) {
  return a >> (b & WidthMask<T>());
}
template <typename T>
T Arsh(T a, T b) {
  return static_cast<T>(static_cast<Signed<T>>(a) >> (b & WidthMask<T>()));
}

template <typename T>
T Div(T a, T b, bool is_signed) {
  if (b == 0) return 0;
  if (!is_signed) return a / b;
  if (b == T(-1)) return T(0) - a;  // the smallest value stays itself
  return static_cast<T>(static_cast<Signed<T>>(a) / static_cast<Signed<T>>(b));
}

template <typename T>
T Mod(T a, T b, bool is_signed) {
  if (b == 0) return a;
  if (!is_signed) return a % b;
  if (b == T(-1)) return 0;
  return static_cast<T>(static_cast<Signed<T>>(a) % static_cast<Signed<T>>(b));
}

// Conditions.
template <typename T>
bool Jeq(T a, T b) {
  return a == b;
}
template <typename T>
bool Jgt(T a, T b) {
  return a > b;
}
template <typename T>
bool Jge(T a, T b) {
  return a >= b;
}
template <typename T>
bool Jset(T a, T b) {
  return (a & b) != 0;
}
template <typename T>
bool Jne(T a, T b) {
  return a != b;
}
template <typename T>
bool Jsgt(T a, T b) {
  return static_cast<Signed<T>>(a) > static_cast<Signed<T>>(b);
}
template <typename T>
bool Jsge(T a, T b) {
  return static_cast<Signed<T>>(a) >= static_cast<Signed<T>>(b);
}
template <typename T>
bool Jlt(T a, T b) {
  return a < b;
}
template <typename T>
bool Jle(T a, T b) {
  return a <= b;
}
template <typename T>
bool Jslt(T a, T b) {
  return static_cast<Signed<T>>(a) < static_cast<Signed<T>>(b);
}
template <typename T>
bool Jsle(T a, T b) {
  return static_cast<Signed<T>>(a) <= static_cast<Signed<T>>(b);
}

// Memory of any alignment.
template <typename T>
T LoadFrom(u64 address) {
  T value;
  __builtin_memcpy(&value, reinterpret_cast<const void*>(address), sizeof(T));
  return value;
}
template <typename T>
void StoreTo(u64 address, u64 value) {
  const T narrow = static_cast<T>(value);
  __builtin_memcpy(reinterpret_cast<void*>(address), &narrow, sizeof(T));
}
template <typename T>
u64 LoadSignedFrom(u64 address) {
  return static_cast<u64>(static_cast<i64>(LoadFrom<T>(address)));
}

inline u64 SignExtend(u64 value, int bits) {
  const int unused = 64 - bits;
  return static_cast<u64>(static_cast<i64>(value << unused) >> unused);
}

inline u64 Truncate(u64 value, int bits) { return bits == 64 ? value : value & ((u64{1} << bits) - 1); }

inline u64 SwapBytes(u64 value, int bits) { return __builtin_bswap64(value) >> (64 - bits); }

// One atomic access; registers[src] or registers[0] get the old value where the operation gives one.
template <typename T>
[[gnu::always_inline]] inline void Atomic(const Instruction& insn, AtomicOp operation, u64 address, u64* registers) {
  T* const word = reinterpret_cast<T*>(address);
  u64& src = registers[insn.src];
  const T operand = static_cast<T>(src);
  switch (operation) {
    case AtomicOp::kLoadAcquire:
      registers[insn.dst] = __atomic_load_n(word, __ATOMIC_ACQUIRE);
      return;
    case AtomicOp::kStoreRelease:
      __atomic_store_n(word, operand, __ATOMIC_RELEASE);
      return;
    case AtomicOp::kAdd:
      __atomic_fetch_add(word, operand, __ATOMIC_SEQ_CST);
      return;
    case AtomicOp::kOr:
      __atomic_fetch_or(word, operand, __ATOMIC_SEQ_CST);
      return;
    case AtomicOp::kAnd:
      __atomic_fetch_and(word, operand, __ATOMIC_SEQ_CST);
      return;
    case AtomicOp::kXor:
      __atomic_fetch_xor(word, operand, __ATOMIC_SEQ_CST);
      return;
    case AtomicOp::kFetchAdd:
      src = __atomic_fetch_add(word, operand, __ATOMIC_SEQ_CST);
      return;
    case AtomicOp::kFetchOr:
      src = __atomic_fetch_or(word, operand, __ATOMIC_SEQ_CST);
      return;
    case AtomicOp::kFetchAnd:
      src = __atomic_fetch_and(word, operand, __ATOMIC_SEQ_CST);
      return;
    case AtomicOp::kFetchXor:
      src = __atomic_fetch_xor(word, operand, __ATOMIC_SEQ_CST);
      return;
    case AtomicOp::kExchange:
      src = __atomic_exchange_n(word, operand, __ATOMIC_SEQ_CST);
      return;
    case AtomicOp::kCompareExchange: {
      T expected = static_cast<T>(registers[0]);
      __atomic_compare_exchange_n(word, &expected, operand, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
      registers[0] = expected;
      return;
    }
  }
}

}  // namespace strata::runtime::operation
