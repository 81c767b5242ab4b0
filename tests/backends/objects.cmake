# Maps that hold objects: programs, maps, threads' values.
bpf_object(tail_calls_object tail_calls.bpf.c)
bpf_object(tail_calls_refused_object tail_calls_refused.bpf.c)
strata_test(NAME backends_tail_calls_test SOURCES tail_calls_test.cc fixture.cc LINK strata::root strata::userspace_backend Threads::Threads
            BPF ${tail_calls_object} ${tail_calls_refused_object})
add_dependencies(backends_tail_calls_test strata_agent)
