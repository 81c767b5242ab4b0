# Helpers, by subject: programs run without an event.
bpf_object(dynptr_object dynptr.bpf.c)
bpf_object(checksum_object checksum.bpf.c)
bpf_object(timers_object timers.bpf.c)
bpf_object(loops_object loops.bpf.c)
bpf_object(functions_object functions.bpf.c)
strata_test(NAME backends_helpers_test
            SOURCES dynptr_test.cc timer_test.cc loops_test.cc functions_test.cc fixture.cc
            LINK strata::root Threads::Threads
            BPF ${dynptr_object} ${checksum_object} ${timers_object} ${loops_object} ${functions_object})
add_dependencies(backends_helpers_test strata_agent)

# Of the userspace backend alone.
bpf_object(timer_probe_object timer_probe.bpf.c)
bpf_object(host_function_object host_function.bpf.c)
bpf_object(override_object override.bpf.c)
bpf_object(function_arguments_object function_arguments.bpf.c)
strata_test(NAME userspace_helpers_test
            SOURCES timer_probe_test.cc host_function_test.cc override_test.cc function_arguments_test.cc fixture.cc
                    targets.cc
            LINK strata::root strata::userspace_backend Threads::Threads
            BPF ${timer_probe_object} ${host_function_object} ${override_object} ${calls_object}
                ${function_arguments_object})
add_dependencies(userspace_helpers_test strata_agent)

# Statistics and control of programs.
strata_test(NAME backends_program_control_test
            SOURCES program_control_test.cc fixture.cc targets.cc
            LINK strata::root Threads::Threads
            BPF ${dynptr_object} ${calls_object})
add_dependencies(backends_program_control_test strata_agent)
