# Properties that every target of roto's own code gets.
function(roto_own_code target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes
    -Wmissing-prototypes -Wpointer-arith -Wvla)
  if(ROTO_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
  roto_sanitize(${target})
endfunction()

# Sanitizers have to be on every target, generated code included, or their reports have holes.
function(roto_sanitize target)
  if(ROTO_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${ROTO_SANITIZE} -fno-omit-frame-pointer
      -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${ROTO_SANITIZE})
  endif()
endfunction()
