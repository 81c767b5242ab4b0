bpf_object(kinds_bench_object kinds_bench.bpf.c)
set(arena_bench_object "")
find_program(STRATA_ARENA_CLANG NAMES clang-22 clang-21 clang-20 clang-19)  # address spaces need a newer compiler
if(STRATA_ARENA_CLANG)
  bpf_object(arena_bench_object arena_bench.bpf.c COMPILER ${STRATA_ARENA_CLANG})
endif()
strata_bench(NAME kinds_bench SOURCES kinds_bench.cc stack_chain.cc LINK strata::root
             BPF ${kinds_bench_object} ${arena_bench_object})
set_source_files_properties(stack_chain.cc PROPERTIES COMPILE_OPTIONS "-fno-omit-frame-pointer;-fno-optimize-sibling-calls;-O1")
