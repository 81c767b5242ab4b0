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

bpf_object(task_storage_object task_storage.bpf.c)
bpf_object(task_storage_map_object task_storage.bpf.c NAME task_storage_map FLAGS -DMAP_ONLY)
strata_test(NAME backends_task_storage_test SOURCES task_storage_test.cc fixture.cc
            LINK strata::root strata::userspace_backend Threads::Threads
            BPF ${task_storage_object} ${task_storage_map_object})
add_dependencies(backends_task_storage_test strata_agent)

bpf_object(cgroup_storage_object cgroup_storage.bpf.c)
bpf_object(cgroup_storage_map_object cgroup_storage.bpf.c NAME cgroup_storage_map FLAGS -DMAP_ONLY)
strata_test(NAME backends_cgroup_storage_test SOURCES cgroup_storage_test.cc fixture.cc
            LINK strata::root strata::userspace_backend strata::test_cgroups Threads::Threads
            BPF ${cgroup_storage_object} ${cgroup_storage_map_object})
add_dependencies(backends_cgroup_storage_test strata_agent)

bpf_object(cgroups_object cgroups.bpf.c)
strata_test(NAME backends_cgroups_test SOURCES cgroups_test.cc fixture.cc
            LINK strata::root strata::userspace_backend strata::test_cgroups Threads::Threads BPF ${cgroups_object})
add_dependencies(backends_cgroups_test strata_agent)
