// A USDT probe as <sys/sdt.h> makes one, with the argument text and operands given by the test:
//   STRATA_TEST_PROBE("provider", "name", "0", "-4@%0 8@%1", "r"(number), "m"(variable));
// The third text is the semaphore's symbol, or 0. `%0` becomes what the compiler chose for the operand.
#pragma once

#define STRATA_TEST_PROBE(provider, name, semaphore, arguments, ...) \
  __asm__ volatile(                                                  \
      "771: nop\n"                                                   \
      ".pushsection .note.stapsdt, \"?\", @note\n"                   \
      ".balign 4\n"                                                  \
      ".4byte 8, 773f - 772f, 3\n"                                   \
      ".asciz \"stapsdt\"\n"                                         \
      "772: .8byte 771b, 0, " semaphore                              \
      "\n"                                                           \
      ".asciz \"" provider "\", \"" name "\", \"" arguments          \
      "\"\n"                                                         \
      "773: .balign 4\n"                                             \
      ".popsection\n"                                                \
      :                                                              \
      : __VA_ARGS__)
