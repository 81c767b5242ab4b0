strata_bench(NAME compile_bench SOURCES compile_bench.cc LINK strata::compile strata::verifier strata::isa)
