strata_bench(NAME map_bench SOURCES map_bench.cc LINK strata::root PkgConfig::LIBBPF)
