// Calls `inner` at the bottom of a chain of about 2 * depth functions.
#pragma once

extern "C" {
void strata_chain_with_pointers(int depth, void (*inner)(void* argument), void* argument);
void strata_chain_without_pointers(int depth, void (*inner)(void* argument), void* argument);
__attribute__((visibility("default"))) void strata_chain_in_library(int depth, void (*inner)(void* argument),
                                                                    void* argument);
}
