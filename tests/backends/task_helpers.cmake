# Helpers about memory, tasks, stacks and text: the same programs on both backends, compared with the truth.
bpf_object(memory_helpers_object memory_helpers.bpf.c)
bpf_object(memory_write_object memory_write.bpf.c)
strata_test(NAME backends_memory_helpers_test SOURCES memory_helpers_test.cc fixture.cc LINK strata::root Threads::Threads
            BPF ${memory_helpers_object} ${memory_write_object})
add_dependencies(backends_memory_helpers_test strata_agent)

bpf_object(task_helpers_object task_helpers.bpf.c)
strata_test(NAME backends_task_helpers_test SOURCES task_helpers_test.cc fixture.cc LINK strata::root Threads::Threads
            BPF ${task_helpers_object})
add_dependencies(backends_task_helpers_test strata_agent)

bpf_object(task_struct_object task_struct.bpf.c)
strata_test(NAME backends_task_struct_test SOURCES task_struct_test.cc fixture.cc LINK strata::root Threads::Threads
            BPF ${task_struct_object})
add_dependencies(backends_task_struct_test strata_agent)

bpf_object(task_pointer_object task_pointer.bpf.c)
strata_test(NAME backends_task_pointer_test SOURCES task_pointer_test.cc fixture.cc targets.cc LINK strata::root Threads::Threads
            BPF ${task_pointer_object})
add_dependencies(backends_task_pointer_test strata_agent)

bpf_object(memory_areas_object memory_areas.bpf.c)
strata_test(NAME backends_memory_areas_test SOURCES memory_areas_test.cc fixture.cc LINK strata::root Threads::Threads
            BPF ${memory_areas_object})
add_dependencies(backends_memory_areas_test strata_agent)

bpf_object(text_helpers_object text_helpers.bpf.c)
strata_test(NAME backends_text_helpers_test SOURCES text_helpers_test.cc fixture.cc LINK strata::root fmt::fmt Threads::Threads
            BPF ${text_helpers_object})
add_dependencies(backends_text_helpers_test strata_agent)

bpf_object(signals_object signals.bpf.c)
bpf_object(per_cpu_lookup_object per_cpu_lookup.bpf.c)
bpf_object(function_address_object function_address.bpf.c)
strata_test(NAME backends_small_helpers_test
            SOURCES signals_test.cc per_cpu_lookup_test.cc function_address_test.cc fixture.cc targets.cc LINK strata::root Threads::Threads
            BPF ${signals_object} ${per_cpu_lookup_object} ${function_address_object})
add_dependencies(backends_small_helpers_test strata_agent)
