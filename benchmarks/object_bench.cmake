bpf_object(object_bench_object object_bench.bpf.c)
strata_bench(NAME object_bench SOURCES object_bench.cc LINK strata::root BPF ${object_bench_object})
add_dependencies(object_bench strata_agent)
