# What `cmake --install` copies: the library, its headers, the command line, models, and the two ways
# for other builds to find them (pkg-config's roto.pc and CMake's rotoConfig.cmake).
include(CMakePackageConfigHelpers)

set_target_properties(roto PROPERTIES EXPORT_NAME roto)
install(TARGETS roto EXPORT rotoTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/roto DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h)

if(TARGET roto_cli)
  # Relative, so that the installed tree can be moved as a whole.
  file(RELATIVE_PATH bin_to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(roto_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${bin_to_lib}")
  install(TARGETS roto_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/assets/models)
  install(DIRECTORY assets/models DESTINATION ${CMAKE_INSTALL_DATADIR}/roto)
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/roto)
install(EXPORT rotoTargets NAMESPACE roto:: DESTINATION ${package_dir})
configure_package_config_file(cmake/rotoConfig.cmake.in ${PROJECT_BINARY_DIR}/rotoConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/rotoConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/rotoConfig.cmake ${PROJECT_BINARY_DIR}/rotoConfigVersion.cmake
  DESTINATION ${package_dir})

# roto.pc finds its prefix from its own place, like rotoConfig.cmake does.
file(RELATIVE_PATH ROTO_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/roto.pc.in ${PROJECT_BINARY_DIR}/roto.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/roto.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
