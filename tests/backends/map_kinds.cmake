# Kinds of maps beyond arrays and hashes.
bpf_object(map_kinds_object map_kinds.bpf.c)
strata_test(NAME backends_kinds_test
            SOURCES queue_stack_test.cc bloom_filter_test.cc lpm_trie_test.cc fixture.cc
            LINK strata::root Threads::Threads
            BPF ${map_kinds_object})
add_dependencies(backends_kinds_test strata_agent)

bpf_object(cut_run_object cut_run.bpf.c)
strata_test(NAME backends_cut_run_test SOURCES cut_run_test.cc fixture.cc LINK strata::root BPF ${cut_run_object})
add_dependencies(backends_cut_run_test strata_agent)

bpf_object(user_ring_object user_ring.bpf.c)
strata_test(NAME backends_user_ring_test SOURCES user_ring_test.cc fixture.cc LINK strata::root Threads::Threads
            BPF ${user_ring_object})
add_dependencies(backends_user_ring_test strata_agent)

bpf_object(backends_perf_object perf.bpf.c)
strata_test(NAME backends_perf_test SOURCES perf_test.cc fixture.cc LINK strata::root Threads::Threads
            BPF ${backends_perf_object})
add_dependencies(backends_perf_test strata_agent)

bpf_object(stack_object stack.bpf.c)
set_source_files_properties(stack_targets.cc PROPERTIES COMPILE_OPTIONS "-fno-omit-frame-pointer;-fno-optimize-sibling-calls;-fno-sanitize=all")
strata_test(NAME backends_stack_test SOURCES stack_test.cc stack_targets.cc fixture.cc LINK strata::root Threads::Threads
            BPF ${stack_object})
add_dependencies(backends_stack_test strata_agent)
