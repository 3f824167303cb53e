#include "video/natural_order.h"

#include <string.h>

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int natural_order_compare(const void *a, const void *b)
{
    const char *left = *(const char *const *)a, *right = *(const char *const *)b;
    const char *x = left, *y = right;
    while (*x && *y) {
        if (is_digit(*x) && is_digit(*y)) {
            x += strspn(x, "0");
            y += strspn(y, "0");
            size_t n_x = strspn(x, "0123456789"), n_y = strspn(y, "0123456789");
            if (n_x != n_y)
                return n_x < n_y ? -1 : 1;
            int order = strncmp(x, y, n_x);
            if (order)
                return order;
            x += n_x;
            y += n_y;
        } else if (*x != *y) {
            return (unsigned char)*x < (unsigned char)*y ? -1 : 1;
        } else {
            x++;
            y++;
        }
    }
    if (*x || *y)
        return *x ? 1 : -1;
    return strcmp(left, right);
}
