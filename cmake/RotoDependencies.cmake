# Everything roto links, as one interface target. Debian 12 packages them all; script/install names them.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
# Debian's dnnl-config.cmake demands OpenCL's development files, which oneDNN on a CPU does not need.
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.h REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
pkg_check_modules(FFMPEG REQUIRED IMPORTED_TARGET libavformat libavcodec libavutil libswscale)
pkg_check_modules(PNG REQUIRED IMPORTED_TARGET libpng)
pkg_check_modules(JPEG REQUIRED IMPORTED_TARGET libjpeg)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
find_program(PROTOC_C protoc-c REQUIRED)

add_library(roto_dependencies INTERFACE)
target_link_libraries(roto_dependencies INTERFACE Threads::Threads ${DNNL_LIBRARY} PkgConfig::FFMPEG PkgConfig::PNG
  PkgConfig::JPEG PkgConfig::PROTOBUF_C PkgConfig::CJSON m)
target_include_directories(roto_dependencies SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
