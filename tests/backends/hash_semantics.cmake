bpf_object(hash_semantics_object hash_semantics.bpf.c)
strata_test(NAME backends_hash_test SOURCES hash_semantics_test.cc fixture.cc LINK strata::root Threads::Threads
            BPF ${hash_semantics_object})
add_dependencies(backends_hash_test strata_agent)
