# Objects opened by id and by pin.
strata_test(NAME backends_open_test SOURCES open_test.cc fixture.cc targets.cc LINK strata::root Threads::Threads BPF ${variables_object})
target_include_directories(backends_open_test PRIVATE ${STRATA_ROOT}/tests)
add_dependencies(backends_open_test strata_agent)
