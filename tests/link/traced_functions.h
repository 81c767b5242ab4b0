// Functions of the test program that probes are put on; each returns ten times its argument.
#pragma once

extern "C" {
long strata_traced_one(long argument);
long strata_traced_two(long argument);
long strata_traced_three(long argument);
}
