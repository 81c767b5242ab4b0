// Functions that call one another, compiled several times: with and without frame pointers, in the program and in a
// library.
#include "stack_chain.h"

#include <alloca.h>

#include <cstring>

namespace {

struct Chain {
  void (*inner)(void* argument);
  void* argument;
  volatile int sum = 0;
};

__attribute__((noinline)) void CallPlain(Chain& chain, int depth);
__attribute__((noinline)) void CallWithVariableFrame(Chain& chain, int depth);

__attribute__((noinline)) void CallInner(Chain& chain) {
  chain.inner(chain.argument);
  chain.sum = chain.sum + 1;  // no tail call
}

// Keeps many registers, and a large frame.
void CallPlain(Chain& chain, int depth) {
  volatile char room[3000];
  room[depth] = 1;
  if (depth == 0) {
    CallInner(chain);
  } else {
    CallWithVariableFrame(chain, depth - 1);
  }
  chain.sum = chain.sum + room[depth];
}

// A frame whose size is not a constant is found through the frame pointer.
void CallWithVariableFrame(Chain& chain, int depth) {
  auto* room = static_cast<char*>(alloca(static_cast<std::size_t>(depth) * 24 + 8));
  std::memset(room, depth, 8);
  CallPlain(chain, depth);
  chain.sum = chain.sum + room[3];
}

}  // namespace

extern "C" void STRATA_CHAIN(int depth, void (*inner)(void* argument), void* argument) {
  Chain chain{inner, argument};
  CallPlain(chain, depth);
}
