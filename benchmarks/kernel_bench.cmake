bpf_object(kernel_bench_object kernel_bench.bpf.c)
bpf_object(kernel_load_object kernel_load.bpf.c)
strata_bench(NAME kernel_bench SOURCES kernel_bench.cc LINK strata::root PkgConfig::LIBBPF
             BPF ${kernel_bench_object} ${kernel_load_object})
