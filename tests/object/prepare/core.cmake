# CO-RE of whole programs beside libbpf. The cases and targets are those of tests/backends.
find_program(STRATA_NEW_BPF_CLANG NAMES clang-22 clang-19 clang-18 clang-17 clang-16 clang-15)
set(core_folder ${CMAKE_BINARY_DIR}/bpf/tests/backends)
set(core_new_cases "")
if(STRATA_NEW_BPF_CLANG)
  set(core_new_cases ${core_folder}/core_new_cases.bpf.o)
endif()
bpf_object(core_kernel ../../data/core/kernel.bpf.c)
strata_test(NAME core_test SOURCES core_test.cc LINK strata::prepare strata::elf strata::test_elf fmt::fmt PkgConfig::LIBBPF
            BPF ${core_kernel})
target_compile_definitions(core_test PRIVATE STRATA_CORE_TARGETS="${core_folder}" STRATA_BPF_CASES="${core_folder}/cases.bpf.o"
                           STRATA_CORE_NEW_CASES="${core_new_cases}")
