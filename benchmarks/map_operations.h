// Operations on maps inside programs, on both backends (map_bench.bpf.c); map_bench.cc says what is measured.
#pragma once

namespace strata::bench {

void MeasureMapOperations(bool figures);

}  // namespace strata::bench
