bpf_object(helper_bench_object helper_bench.bpf.c)
strata_bench(NAME helper_bench SOURCES helper_bench.cc LINK strata::root BPF ${helper_bench_object})
