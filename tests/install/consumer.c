/* The least that shows that headers and library of an installed copy belong together. */
#include <roto/roto.h>

#include <string.h>

int main(void)
{
    return strcmp(roto_status_name(ROTO_ERROR_FORMAT), "ROTO_ERROR_FORMAT") != 0;
}
