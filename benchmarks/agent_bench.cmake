strata_bench(NAME agent_bench SOURCES agent_bench.cc LINK strata::strata BPF ${uprobe_bench_object})
add_dependencies(agent_bench strata_agent)
target_compile_definitions(agent_bench PRIVATE STRATA_AGENT_FILE="$<TARGET_FILE:strata_agent>")
