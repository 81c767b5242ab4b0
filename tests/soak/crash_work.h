// What the programs of crash.bpf.c and crash_soak.cc agree on. C.
#pragma once

#include <linux/types.h>

enum {
  CRASH_ENTRIES = 200,
  CRASH_KEYS = 300,  // more than fit
  CRASH_RING_BYTES = 16384,
};

enum crash_action {
  CRASH_UPDATE,
  CRASH_DELETE,
  CRASH_LOOKUP,
  CRASH_PERCPU_UPDATE,
  CRASH_PERCPU_DELETE,
  CRASH_COUNT,
  CRASH_OUTPUT,
  CRASH_SUBMIT,
  CRASH_DISCARD,
  CRASH_LRU_UPDATE,
  CRASH_LRU_DELETE,
  CRASH_TRIE_UPDATE,
  CRASH_TRIE_DELETE,
  CRASH_PUSH,
  CRASH_POP,
  CRASH_ACTIONS,
};

// The context of a run.
struct crash_work {
  __u64 key;
  __u64 seq;
  __u32 producer;
  __u32 action;
};

// Follows from the key, whoever wrote it.
struct crash_value {
  __u64 words[4];
};

// A key of the trie: the whole key counts.
struct crash_prefix {
  __u32 bits;
  __u32 key;
};

struct crash_record {
  __u64 seq;
  __u32 producer;
  __u32 check;
};
