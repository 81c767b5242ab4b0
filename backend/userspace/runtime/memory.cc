// memcpy and its kin for in-process code (base/in_process.h names them): general registers only. The empty asm
// statements keep the compiler from recognising the loops and calling the very functions they make up.
#include <cstddef>
#include <cstdint>

namespace {

// From here on the processor's string instructions are faster than a loop of words.
constexpr std::size_t kStringInstructionBytes = 512;

using Word [[gnu::may_alias, gnu::aligned(1)]] = std::uint64_t;

void CopyForward(unsigned char* to, const unsigned char* from, std::size_t size) {
  for (; size >= 8; size -= 8, to += 8, from += 8) {
    *reinterpret_cast<Word*>(to) = *reinterpret_cast<const Word*>(from);
    __asm__ volatile("" ::: "memory");
  }
  for (; size > 0; --size, ++to, ++from) {
    *to = *from;
    __asm__ volatile("" ::: "memory");
  }
}

void CopyBackward(unsigned char* to, const unsigned char* from, std::size_t size) {
  for (; size >= 8; size -= 8) {
    *reinterpret_cast<Word*>(to + size - 8) = *reinterpret_cast<const Word*>(from + size - 8);
    __asm__ volatile("" ::: "memory");
  }
  for (; size > 0; --size) {
    to[size - 1] = from[size - 1];
    __asm__ volatile("" ::: "memory");
  }
}

}  // namespace

extern "C" {

void* memcpy(void* to, const void* from, std::size_t size) noexcept {
  if (size < kStringInstructionBytes) {
    CopyForward(static_cast<unsigned char*>(to), static_cast<const unsigned char*>(from), size);
    return to;
  }
  void* target = to;
  __asm__ volatile("rep movsb" : "+D"(target), "+S"(from), "+c"(size) : : "memory");
  return to;
}

void* memmove(void* to, const void* from, std::size_t size) noexcept {
  // Unsigned distance: a target before the source, or past its end, may be copied forward.
  if (reinterpret_cast<std::uintptr_t>(to) - reinterpret_cast<std::uintptr_t>(from) >= size)
    return memcpy(to, from, size);
  CopyBackward(static_cast<unsigned char*>(to), static_cast<const unsigned char*>(from), size);
  return to;
}

void* memset(void* to, int byte, std::size_t size) noexcept {
  void* target = to;
  __asm__ volatile("rep stosb" : "+D"(target), "+c"(size) : "a"(byte) : "memory");
  return to;
}

int memcmp(const void* left, const void* right, std::size_t size) noexcept {
  const auto* a = static_cast<const unsigned char*>(left);
  const auto* b = static_cast<const unsigned char*>(right);
  for (; size >= 8; size -= 8, a += 8, b += 8) {
    if (*reinterpret_cast<const Word*>(a) != *reinterpret_cast<const Word*>(b)) break;
  }
  for (; size > 0; --size, ++a, ++b) {
    if (*a != *b) return *a < *b ? -1 : 1;
    __asm__ volatile("" ::: "memory");
  }
  return 0;
}

}  // extern "C"
