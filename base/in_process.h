// Forced into every file of a layer that runs in a traced process (strata_layer(... IN_PROCESS)).
//
// A compiler may turn a loop or a structure copy into a call of memcpy, memset, memmove or memcmp. In the host's libc
// these use vector registers, which hook-side code must leave alone, and they may be hooked themselves. The labels
// below send such calls to the copies in backend/userspace/runtime/memory.cc.
#pragma once

extern "C" {
void* memcpy(void* to, const void* from, __SIZE_TYPE__ size_bytes) noexcept __asm__("strata_memcpy");
void* memmove(void* to, const void* from, __SIZE_TYPE__ size_bytes) noexcept __asm__("strata_memmove");
void* memset(void* to, int byte, __SIZE_TYPE__ size_bytes) noexcept __asm__("strata_memset");
int memcmp(const void* left, const void* right, __SIZE_TYPE__ size_bytes) noexcept __asm__("strata_memcmp");
}

// Clang emits calls of its own by the plain names, whatever the labels say: the assembler renames those.
__asm__(
    ".set memcpy, strata_memcpy\n"
    ".set memmove, strata_memmove\n"
    ".set memset, strata_memset\n"
    ".set memcmp, strata_memcmp\n");
