bpf_object(loader_open_object loader_open.bpf.c)
bpf_object(loader_core_object loader_core.bpf.c)
strata_bench(NAME loader_bench SOURCES loader_bench.cc LINK strata::root strata::kernel_backend strata::elf strata::base_in_process PkgConfig::LIBBPF
             BPF ${loader_open_object} ${loader_core_object})
