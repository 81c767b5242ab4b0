bpf_object(map_bench_object map_bench.bpf.c)
strata_bench(NAME map_bench SOURCES map_bench.cc map_operations.cc LINK strata::root PkgConfig::LIBBPF Threads::Threads
             BPF ${map_bench_object})
