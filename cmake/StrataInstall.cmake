# cmake --install: library, agent, headers under strata/, a CMake package and a pkg-config file.
include(CMakePackageConfigHelpers)

install(TARGETS strata_library EXPORT strataTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS strata_agent LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})

# The files themselves: CMake would install the build tree's links.
get_property(headers GLOBAL PROPERTY STRATA_INSTALLED_HEADERS)
foreach(header IN LISTS headers)
  cmake_path(GET header PARENT_PATH folder)
  install(FILES ${CMAKE_SOURCE_DIR}/${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/strata/${folder})
endforeach()

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/strata)
install(EXPORT strataTargets NAMESPACE strata:: DESTINATION ${package_folder})
configure_package_config_file(cmake/strataConfig.cmake.in ${CMAKE_BINARY_DIR}/strataConfig.cmake INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/strataConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/strataConfig.cmake ${CMAKE_BINARY_DIR}/strataConfigVersion.cmake cmake/StrataSkeleton.cmake DESTINATION ${package_folder})

file(RELATIVE_PATH STRATA_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/strata.pc.in ${CMAKE_BINARY_DIR}/strata.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/strata.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES docs/strata-run.md docs/strata-gen.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
