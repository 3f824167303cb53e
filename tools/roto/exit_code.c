#include "exit_code.h"

#include "interrupt.h"

int exit_code_of(roto_status status)
{
    switch (status) {
    case ROTO_OK:
    case ROTO_END:
        return EXIT_OK;
    case ROTO_ERROR_ARGUMENT:
        return EXIT_USAGE;
    case ROTO_ERROR_IO:
        return EXIT_IO;
    case ROTO_ERROR_FORMAT:
        return EXIT_FORMAT;
    case ROTO_ERROR_UNSUPPORTED:
        return EXIT_UNSUPPORTED;
    case ROTO_ERROR_MEMORY:
        return EXIT_MEMORY;
    case ROTO_ERROR_DEVICE:
        return EXIT_DEVICE;
    case ROTO_CANCELLED:
        return EXIT_SIGNAL + interrupt_signal();
    case ROTO_ERROR_INTERNAL:
        break;
    }
    return EXIT_INTERNAL;
}
