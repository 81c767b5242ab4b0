# Maps that hold objects: programs, maps, threads' values.
bpf_object(tail_calls_object tail_calls.bpf.c)
bpf_object(tail_calls_refused_object tail_calls_refused.bpf.c)
strata_test(NAME backends_tail_calls_test SOURCES tail_calls_test.cc fixture.cc LINK strata::root strata::userspace_backend Threads::Threads
            BPF ${tail_calls_object} ${tail_calls_refused_object})
add_dependencies(backends_tail_calls_test strata_agent)

bpf_object(maps_in_maps_object maps_in_maps.bpf.c)
strata_test(NAME backends_maps_in_maps_test SOURCES maps_in_maps_test.cc fixture.cc
            LINK strata::root strata::userspace_backend Threads::Threads BPF ${maps_in_maps_object})
add_dependencies(backends_maps_in_maps_test strata_agent)

bpf_object(tail_calls_attached_object tail_calls_attached.bpf.c)
strata_test(NAME backends_tail_calls_attached_test SOURCES tail_calls_attached_test.cc fixture.cc targets.cc
            LINK strata::root Threads::Threads BPF ${tail_calls_attached_object})
add_dependencies(backends_tail_calls_attached_test strata_agent)
