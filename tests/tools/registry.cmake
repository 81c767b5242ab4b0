# Verbs over the userspace registry. The test is the loader, too.
bpf_object(registry_object registry.bpf.c)
strata_test(NAME tools_registry_test SOURCES registry_test.cc ../system/command.cc ../backends/targets.cc
            LINK strata::root nlohmann_json::nlohmann_json BPF ${registry_object})
target_include_directories(tools_registry_test PRIVATE ${STRATA_ROOT}/tests)
target_compile_definitions(tools_registry_test PRIVATE STRATA_COMMAND="$<TARGET_FILE:strata-cli>")
add_dependencies(tools_registry_test strata-cli strata_agent)
