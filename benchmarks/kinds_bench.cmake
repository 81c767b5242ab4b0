bpf_object(kinds_bench_object kinds_bench.bpf.c)
strata_bench(NAME kinds_bench SOURCES kinds_bench.cc LINK strata::root BPF ${kinds_bench_object})
