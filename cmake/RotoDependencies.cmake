# Everything roto links, as one interface target. Debian 12 packages them all; script/install names them.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(FFMPEG REQUIRED IMPORTED_TARGET libavformat libavcodec libavutil libswscale)
pkg_check_modules(PNG REQUIRED IMPORTED_TARGET libpng)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(JPEG REQUIRED IMPORTED_TARGET libjpeg)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
find_program(PROTOC_C protoc-c REQUIRED)

add_library(roto_dependencies INTERFACE)
target_link_libraries(roto_dependencies INTERFACE Threads::Threads PkgConfig::FFMPEG PkgConfig::PNG
  PkgConfig::ZLIB PkgConfig::JPEG PkgConfig::PROTOBUF_C PkgConfig::CJSON m)
