#include "strata/backend/userspace/runtime/host_functions.h"

#include <cpuid.h>

#include "text.h"

// Hooked code may hold anything in its vector registers, and the runtime saves none of them: around a host function,
// which is ordinary C++, the state goes onto the stack. x87, SSE, AVX and the three parts of AVX-512 (0xe7) end within
// 2,688 bytes; xrstor wants the header, 64 bytes from 512 on, to be zero where xsave does not write.
__asm__(
    ".text\n"
    ".p2align 4\n"
    ".globl strata_call_host\n"
    ".hidden strata_call_host\n"
    ".type strata_call_host, @function\n"
    "strata_call_host:\n"
    "  pushq %rbp\n"
    "  movq %rsp, %rbp\n"
    "  subq $2816, %rsp\n"
    "  andq $-64, %rsp\n"
    "  movq %rdx, %r11\n"
    "  xorl %eax, %eax\n"
    "  movq %rax, 512(%rsp)\n"
    "  movq %rax, 520(%rsp)\n"
    "  movq %rax, 528(%rsp)\n"
    "  movq %rax, 536(%rsp)\n"
    "  movq %rax, 544(%rsp)\n"
    "  movq %rax, 552(%rsp)\n"
    "  movq %rax, 560(%rsp)\n"
    "  movq %rax, 568(%rsp)\n"
    "  xorl %edx, %edx\n"
    "  movl $0xe7, %eax\n"
    "  xsave64 (%rsp)\n"
    "  movq %r11, %rdx\n"
    "  call *%r9\n"
    "  movq %rax, %rcx\n"
    "  xorl %edx, %edx\n"
    "  movl $0xe7, %eax\n"
    "  xrstor64 (%rsp)\n"
    "  movq %rcx, %rax\n"
    "  leave\n"
    "  ret\n"
    ".size strata_call_host, . - strata_call_host\n");

namespace strata::runtime {
namespace {

std::byte* Put(std::byte* at, const void* bytes, std::uint32_t size) noexcept {
  memcpy(at, bytes, size);
  return at + size;
}

}  // namespace

const void* FindHostFunction(const HostFunctions* functions, const char* name) noexcept {
  if (functions == nullptr) return nullptr;
  for (const HostFunctionEntry* entry = __atomic_load_n(&functions->first, __ATOMIC_ACQUIRE); entry != nullptr;
       entry = __atomic_load_n(&entry->next, __ATOMIC_ACQUIRE)) {
    if (TextEqual(entry->name, name)) return entry->address;
  }
  return nullptr;
}

bool CanCallHostFunctions() noexcept {
  std::uint32_t eax = 0;
  std::uint32_t ebx = 0;
  std::uint32_t ecx = 0;
  std::uint32_t edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_OSXSAVE) != 0;
}

void WriteHostStub(std::byte* out, const void* address) noexcept {
  constexpr std::uint8_t kMovR9[] = {0x49, 0xb9};
  constexpr std::uint8_t kMovRax[] = {0x48, 0xb8};
  constexpr std::uint8_t kJmpRax[] = {0xff, 0xe0};
  auto* const call_host = &strata_call_host;
  out = Put(out, kMovR9, sizeof(kMovR9));
  out = Put(out, &address, sizeof(address));
  out = Put(out, kMovRax, sizeof(kMovRax));
  out = Put(out, &call_host, sizeof(call_host));
  Put(out, kJmpRax, sizeof(kJmpRax));
}

}  // namespace strata::runtime
