bpf_object(ring_bench_object ring_bench.bpf.c)
strata_bench(NAME ring_bench SOURCES ring_bench.cc LINK strata::root BPF ${ring_bench_object})
