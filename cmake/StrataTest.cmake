# strata_test(NAME n SOURCES ... [LINK targets...] [BPF objects...] [LOCK resource])
#
# One gtest executable in BUILD/bin. BPF names objects made by bpf_object(); the test gets each as the macro
# STRATA_BPF_<NAME> with its path. Each gtest case is a ctest case of its own, so that cases may run in parallel; those with
# the same LOCK run one after the other.
function(strata_test)
  cmake_parse_arguments(ARG "" "NAME;LOCK" "SOURCES;LINK;BPF" ${ARGN})
  add_executable(${ARG_NAME} ${ARG_SOURCES})
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_LINK} strata::test_support GTest::gmock GTest::gtest)
  target_compile_options(${ARG_NAME} PRIVATE ${STRATA_SANITIZE_FLAGS})
  strata_use_bpf_objects(${ARG_NAME} ${ARG_BPF})
  gtest_discover_tests(${ARG_NAME} DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 120 RESOURCE_LOCK "${ARG_LOCK}")
endfunction()
