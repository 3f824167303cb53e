#include <roto/roto.h>

const char *roto_version(void)
{
    return ROTO_VERSION;
}
